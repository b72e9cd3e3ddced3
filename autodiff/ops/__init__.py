"""The calculus: every operation beside its derivative, one family a file."""
