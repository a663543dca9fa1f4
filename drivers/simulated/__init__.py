"""Simulated devices for the demo and for tests: a GSM modem with its network, and telephones."""
