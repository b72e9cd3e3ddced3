"""What a Trainer is made of, apart from its loop."""
