"""The rows, and the way to them."""
