"""The Python client of the socket."""
