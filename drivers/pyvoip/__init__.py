"""The voice driver for SIP trunks and PBXs.

pyVoIP 1.6.8 gives its tables: SIPStatus (codes and phrases) in `leg`, PayloadType in `drivers.sip.sdp`. Its phone is
not used: it blocks for ever on a lost INVITE, cannot cancel, never sees a 486, sends an ACK that real phones reject,
knows no Route, and speaks 8-bit audio through a pacer that drifts. `drivers.sip` has the signalling instead, without
I/O, and `trunk` the way to a server; this package gives them a thread and a clock (`signalling`), what is said in a
call (`calls`), and a watch (`driver`); audio goes out by the pacer's own process.
"""

from drivers.pyvoip.driver import Driver as Driver
from drivers.pyvoip.options import Options as Options
