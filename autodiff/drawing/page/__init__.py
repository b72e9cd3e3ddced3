"""The page: a drawing as one HTML file that can be walked through."""
