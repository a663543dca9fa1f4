"""The clips and phrases that a call speaks. `making` renders, imports and checks them ahead of time."""
