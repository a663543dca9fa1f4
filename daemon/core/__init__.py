"""The rules of verification, pure: no clock, no randomness, no I/O, no logging. Time is an argument."""
