"""The version, where nothing else has to be loaded to know it."""

VERSION = "0.1.0"
