"""The lanes: what stands between the engine's deliveries and the devices of one channel.

A lane holds copies; rows are the truth. It asks the engine to make `sending` durable before a device is used, and
reports the result: sent, delivered, refused, uncertain, failed, or queued again because nothing went out.
"""
