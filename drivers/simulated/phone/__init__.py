"""A telephone network on loopback: a SIP registrar and user agent server that rings, answers and records.

The demo and the tests call it. The last two digits of a called number choose what the handset does (`HANDSETS`). It
shares no SIP code with the client that it judges, and is strict where real phones are: requests that lack a mandatory
header are dropped, an ACK counts only in its dialog, audio counts only in the payload type that was agreed.
"""

from drivers.simulated.phone.device import SimulatedPhone as SimulatedPhone
from drivers.simulated.phone.events import PhoneEvent as PhoneEvent
from drivers.simulated.phone.handsets import HANDSETS as HANDSETS
