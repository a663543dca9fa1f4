"""The voice driver for SIP trunks and PBXs.

pyVoIP 1.6.8 gives its tables: SIPStatus (codes and phrases) in `call_outcome`, PayloadType in `drivers.sip.sdp`. Its
phone is not used: it blocks for ever on a lost INVITE, cannot cancel, never sees a 486, sends an ACK that real phones
reject, knows no Route, and speaks 8-bit audio through a pacer that drifts. `drivers.sip` has the signalling instead,
without I/O. Here are the way to a server (`trunk`), the calls (`calls`), their audio (`audio`, sent by a process of
its own), the thread that owns these (`signalling`), and the watch that starts the next thread where one is lost
(`driver`).
"""

from drivers.pyvoip.driver import Driver as Driver
from drivers.pyvoip.options import Options as Options
from drivers.pyvoip.trunk_survey import survey as survey
