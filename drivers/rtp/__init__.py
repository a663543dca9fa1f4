"""The RTP pacer: a process of its own that puts ready G.711 frames on the wire, one every 20 ms or as agreed.

A process, because a busy Python thread beside the sender ruins the grid (measured: p99 172 ms between frames). The
driver gives it a socket and the whole audio of a call; it reports how much was sent. Sending runs on an absolute
clock: a late frame does not delay the next. Between two utterances of a call it sends silence, so that the stream
never breaks off. It listens for keys (RFC 4733), and where it is asked to, for who answered. With keys for SRTP nothing
leaves in clear, and foreign packets are dropped. It ends when the driver's end of the channel closes.

`Pacer` is the driver's side of one process, `Supervisor` starts the next one when that ends; `python -m drivers.rtp FD`
is the process.
"""
