"""What speaks clips, one file an engine."""
