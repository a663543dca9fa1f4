"""Which packets are the callee's, and where its audio is to go. Pure: times are arguments, in monotonic seconds.

The session description says where the callee is. Behind a NAT it sends from elsewhere, and can only be reached there
(RFC 4961). But whoever knows our port can send to it, and would get the PIN (RFC 7362 section 5). Therefore:

- A packet from the address in the description is the callee's, at once.
- Another address is believed after packets in a row with one SSRC and rising sequence numbers: a few, where its host is
  one that the signalling names (in the description, or a server's), or where it has the callee's SSRC.
- A foreign host is listened to after 0.2 s, as phones with several addresses send from any of them. The audio follows
  it at once only where the description names a private address and the trunk is outside: so a callee behind a NAT looks
  (RFC 7362 section 4). Else the described address can be reached, and the foreign host has to send for 3 s without a
  break while the callee sends nothing (Asterisk's strictrtp waits 5 s); then the call's record says so (`Latched`).
- A key is the callee's only if it comes from where the audio goes. A source that nothing confirms (neither the
  signalling nor the callee's SSRC nor SRTP) must have been found before the utterance that the key answers (`presses`):
  else a host that gets no audio could press 1 for a callee that is silent. The described port confirms another host
  that is listened to: a phone with several addresses has one socket, and a stranger who found our port does not know
  the other.
- The audio never leaves a source that still sends, except for the address in the description. One that has fallen
  silent is followed to where it sends from now, and returned to when it sends again.
- When the description changes, the source of before is old: while its stream goes on, nothing is learned from it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import assert_never

Address = tuple[str, int]

PRIVATE = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Networks that are reached only from inside (RFC 1918, 6598, 3927, 4193, 4291)."""

NEAR_IN_A_ROW = 5  # packets from a host that the signalling names, or with the SSRC of the callee; 60 ms hold three
ROW_S = 0.06  # a row lasts so long at least: a burst proves nothing
FAR_IN_A_ROW = 10  # from a foreign host: 0.2 s, in which the callee itself has mostly sent something
FOREIGN_IN_A_ROW = 50  # from a foreign host where no NAT explains it: 3 s of the longest packets
FOREIGN_S = 3.0
STEP = 4  # of the sequence number within a row: a few packets may be lost
SILENT_S = 1.0  # a source of which nothing came for so long does not send any more
OLD_S = 2.0  # a pause after which an old stream is over, and what comes from there is a new one


class Decision(Enum):
    IGNORED = auto()  # not the callee's
    VOICE_ONLY = auto()  # it may be the callee's: its voice counts, its keys do not
    ACCEPTED = auto()  # the callee's
    MOVED = auto()  # the callee's, and its audio is to go to where it came from


class Trust(Enum):
    """In a source that is not the callee's yet."""

    NONE = auto()
    LISTENED_TO = auto()  # the audio stays where it is
    FOLLOWED = auto()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a packet. authentic: SRTP has proved that the far end made it."""

    address: Address
    ssrc: int
    sequence: int
    payload_type: int
    authentic: bool = False


@dataclass(frozen=True, slots=True)
class Signalled:
    """What the signalling says. symmetric: the callee may send from elsewhere.

    payload_types: that it may send; near: hosts of the signalling; strangers: addresses of others, such as phones of
    the same call that did not answer.
    """

    address: Address
    payload_types: Collection[int]
    symmetric: bool = True
    near: Collection[str] = ()
    strangers: Collection[Address] = ()

    def names(self, host: str) -> bool:
        """It is the description's, or a server's."""
        return host == self.address[0] or host in self.near

    def has_port(self, address: Address) -> bool:
        """It is the described one: of a phone with several addresses, say."""
        return address[1] == self.address[1]

    @property
    def behind_nat(self) -> bool:
        """The callee's network is private, and the trunk is not in it."""
        return _is_private(self.address[0]) and bool(self.near) and not any(map(_is_private, self.near))


def _is_private(host: str) -> bool:
    ip = ip_address(host)
    return any(ip in network for network in PRIVATE)


@dataclass(slots=True)
class Row:
    """Packets in a row from one sender."""

    address: Address
    ssrc: int
    sequence: int
    since: float
    count: int = 1

    def take(self, packet: Facts) -> bool:
        """Count the packet; False if it does not belong to this row. One that comes late or twice changes nothing."""
        step = (packet.sequence - self.sequence) & 0xFFFF
        if (packet.address, packet.ssrc) != (self.address, self.ssrc) or STEP < step < 0x8000:
            return False
        if 0 < step <= STEP:
            self.sequence, self.count = packet.sequence, self.count + 1
        return True


@dataclass(slots=True)
class Source:
    """The callee's source. current: where its packets came; None before that."""

    signalled: Signalled
    current: Address | None = None
    _ssrc: int = -1
    _last_at: float = 0.0
    _found_at: float = float("-inf")  # when `current` was followed though nothing confirms it
    _former: Address | None = None  # left because it was silent
    _row: Row | None = None
    _old: dict[Address, float] = field(default_factory=dict)  # sources of before, and when something came from them

    @property
    def target(self) -> Address:
        """Where the audio is to go."""
        return self.current or self.signalled.address

    @property
    def foreign(self) -> bool:
        """The packets come from a host that the signalling does not name."""
        return self.current is not None and not self.signalled.names(self.current[0])

    def presses(self, decision: Decision, asked_at: float) -> bool:
        """Whether a key in a packet that was decided on like this counts; asked_at: when its utterance began."""
        return decision in (Decision.ACCEPTED, Decision.MOVED) and self._found_at < asked_at

    def silent(self, now: float) -> bool:
        """Nothing came from the current source for a while."""
        return now - self._last_at > SILENT_S

    def expect(self, signalled: Signalled, now: float) -> None:
        """The signalling says something new. An address that stays the same keeps the source that was found."""
        before, self.signalled = self.signalled, signalled
        if signalled.address == before.address:
            return
        self._row = self._former = None
        if self.current != signalled.address:
            self._old |= {before.address: now, self.current or before.address: now}
            self.current = None

    def take(self, packet: Facts, now: float) -> Decision:
        """A packet came."""
        if packet.address == self.current:
            self._last_at, self._ssrc, self._row = now, packet.ssrc, None
            return Decision.ACCEPTED
        if packet.payload_type not in self.signalled.payload_types:
            return Decision.ACCEPTED if packet.address == self.signalled.address else Decision.IGNORED
        if packet.address in (self.signalled.address, self._former):
            return self._follow(packet, now)
        if not self.signalled.symmetric or packet.address in self.signalled.strangers:
            return Decision.IGNORED
        if now - self._old.get(packet.address, -OLD_S) < OLD_S:
            self._old[packet.address] = now
            return Decision.IGNORED
        if self._row is None or not self._row.take(packet):
            self._row = Row(packet.address, packet.ssrc, packet.sequence, now)
        trust = self._trust(packet, self._row, now)
        match trust:
            case Trust.FOLLOWED:
                return self._follow(packet, now)
            case Trust.LISTENED_TO:
                return Decision.ACCEPTED if self.signalled.has_port(packet.address) else Decision.VOICE_ONLY
            case Trust.NONE:
                return Decision.IGNORED
            case _:
                assert_never(trust)

    def _trust(self, packet: Facts, row: Row, now: float) -> Trust:
        same = packet.ssrc == self._ssrc
        if packet.authentic and self.current is None:
            return Trust.FOLLOWED
        sends_on = self.current is not None and not same and not packet.authentic and not self.silent(now)
        if sends_on or row.count < NEAR_IN_A_ROW or now - row.since < ROW_S:
            return Trust.NONE
        if packet.authentic or same or self.signalled.names(packet.address[0]):
            return Trust.FOLLOWED
        if row.count < FAR_IN_A_ROW:
            return Trust.NONE
        proven = row.count >= FOREIGN_IN_A_ROW and now - row.since >= FOREIGN_S
        return Trust.FOLLOWED if proven or self.signalled.behind_nat else Trust.LISTENED_TO

    def _follow(self, packet: Facts, now: float) -> Decision:
        same = packet.ssrc == self._ssrc
        left_for_another = self.silent(now) and not same
        if packet.authentic or self.signalled.names(packet.address[0]) or self.signalled.has_port(packet.address):
            self._found_at = float("-inf")
        elif not same:
            self._found_at = now
        self._former = self.current if left_for_another else None
        self.current, self._ssrc, self._last_at, self._row = packet.address, packet.ssrc, now, None
        return Decision.MOVED
