"""Server transactions by the figures of RFC 3261 17.2 and RFC 6026, with the clock in hand."""

import pytest

from drivers.sip.address import Address, Timers, TransportKind
from drivers.sip.message import Message
from drivers.sip.replies import way_back
from drivers.sip.server_transaction import MOST, Event, ServerTransaction, ServerTransactions, State, key
from tests.drivers.sip.agents import with_headers

FAR = ("192.0.2.1", 5060)
TIMERS = Timers()
BRANCH = "z9hG4bK1"


def request(method: str, cseq: int = 1, branch: str = BRANCH, sent_by: str = "192.0.2.1", tag: str = "far") -> Message:
    headers = (
        ("via", f"SIP/2.0/UDP {sent_by};branch={branch}" if branch else f"SIP/2.0/UDP {sent_by}"),
        ("from", f"<sip:far@x>;tag={tag}"),
        ("to", "<sip:gw@x>;tag=ours"),
        ("call-id", "a call"),
        ("cseq", f"{cseq} {method}"),
    )
    return Message(headers, method=method, uri="sip:gw@192.0.2.9")


class Table:
    """Server transactions, and when they sent something."""

    def __init__(self, *, reliable: bool = False) -> None:
        self.sent: list[Message | bytes] = []
        self.moments: list[float] = []
        self.now = 0.0
        self.abandoned: list[str] = []
        self.kept = ServerTransactions(TIMERS, reliable, self._send)

    def _send(self, data: bytes, _: Address) -> None:
        self.sent.append(data)
        self.moments.append(self.now)

    def begin(self, method: str, status: int) -> None:
        self.kept.begin(request(method), Message((), status=status, reason="Whatever"), FAR, self.now)

    def pass_time(self, until: float) -> None:
        while self.kept.deadline() <= until:
            self.now = self.kept.deadline()
            self.abandoned += self.kept.poll(self.now)
        self.now = until


@pytest.mark.parametrize("reliable", [False, True])
def test_an_accepted_invite_is_answered_again_until_its_ack(reliable: bool) -> None:
    """There used to be a bug: a 200 to re-INVITE was sent once (13.3.1.4: T1, doubled up to T2, over any transport)."""
    table = Table(reliable=reliable)
    table.begin("INVITE", 200)
    table.pass_time(9.0)
    assert table.moments == [0.0, 0.5, 1.5, 3.5, 7.5]
    assert table.kept.acknowledged(request("ACK", branch="z9hG4bKother"), 9.0)
    assert not table.kept.acknowledged(request("ACK", branch="z9hG4bKother"), 9.1)
    table.pass_time(100.0)
    assert len(table.moments) == 5
    assert (table.abandoned, table.kept.deadline()) == ([], float("inf"))


def test_an_accepted_invite_that_nobody_acknowledges_is_told_after_32_s() -> None:
    table = Table()
    table.begin("INVITE", 200)
    table.pass_time(31.9)
    assert table.abandoned == []
    table.pass_time(100.0)
    assert table.abandoned == ["a call"]
    assert len(table.moments) == 11


@pytest.mark.parametrize("ack", [request("ACK", 2, "z9hG4bKx"), request("ACK", 1, "z9hG4bKx", tag="other")])
def test_an_ack_of_another_dialog_or_invite_is_none(ack: Message) -> None:
    table = Table()
    table.begin("INVITE", 200)
    assert not table.kept.acknowledged(ack, 0.1)
    table.pass_time(1.0)
    assert table.moments == [0.0, 0.5]


@pytest.mark.parametrize(("reliable", "moments"), [(False, [0.0, 0.5, 1.5, 3.5, 7.5]), (True, [0.0])])
def test_a_refused_invite_is_refused_again_until_its_ack(reliable: bool, moments: list[float]) -> None:
    table = Table(reliable=reliable)
    table.begin("INVITE", 488)
    table.pass_time(8.0)
    assert table.moments == moments
    assert not table.kept.acknowledged(request("ACK"), 8.0)
    table.pass_time(8.0)
    assert table.kept.repeated(request("INVITE"), 8.0) is not reliable  # it takes what lingers for T4
    assert table.moments == moments
    table.pass_time(100.0)
    assert not table.kept.repeated(request("INVITE"), 100.0)


def test_a_refused_invite_that_nobody_acknowledges_is_forgotten_and_ends_no_call() -> None:
    table = Table()
    table.begin("INVITE", 491)
    table.pass_time(100.0)
    assert (len(table.moments), table.abandoned, table.kept.deadline()) == (11, [], float("inf"))


@pytest.mark.parametrize("method", ["INVITE", "INFO", "OPTIONS", "UPDATE", "BYE"])
@pytest.mark.parametrize("status", [200, 488])
def test_what_comes_again_is_answered_again(method: str, status: int) -> None:
    table = Table()
    table.begin(method, status)
    assert table.kept.repeated(request(method), 0.1)
    assert table.sent[0] == table.sent[1]
    assert not table.kept.repeated(request(method, branch="z9hG4bKother"), 0.1)
    assert not table.kept.repeated(request(method, sent_by="192.0.2.1:5062"), 0.1)
    table.pass_time(32.0)
    assert not table.kept.repeated(request(method), 32.0)


def test_an_invite_that_comes_again_after_other_requests_gets_its_own_response() -> None:
    """There used to be a bug: only the last response was kept, and the INVITE got 500 (17.2.2)."""
    table = Table()
    table.begin("INVITE", 200)
    table.kept.begin(request("INFO", 2, "z9hG4bK2"), Message((), status=200, reason="Info"), FAR, 0.1)
    assert table.kept.repeated(request("INVITE"), 0.2)
    assert table.sent[-1] == table.sent[0]


def test_over_a_stream_nothing_lingers() -> None:
    table = Table(reliable=True)
    table.begin("INFO", 200)
    table.pass_time(0.0)
    assert not table.kept.repeated(request("INFO"), 0.0)


@pytest.mark.parametrize("branch", [BRANCH, "", "1"])
def test_a_cancel_and_an_ack_find_their_invite(branch: str) -> None:
    table = Table()
    table.kept.begin(request("INVITE", branch=branch), Message((), status=491, reason="Whatever"), FAR, 0.0)
    assert table.kept.has_invite(request("CANCEL", branch=branch))
    assert not table.kept.has_invite(request("CANCEL", 2, branch="z9hG4bKother"))
    table.kept.acknowledged(request("ACK", branch=branch), 0.1)
    table.pass_time(4.0)
    assert len(table.moments) == 1


def test_branches_of_before_rfc_3261_are_told_apart_by_what_else_the_requests_say() -> None:
    first = request("INFO", 1, "1")
    others = [
        request("INFO", 2, "1"),
        request("INFO", 1, "2"),
        request("INFO", 1, "1", tag="x"),
        request("BYE", 1, "1"),
    ]
    assert key(first) == key(request("INFO", 1, "1"))
    assert all(key(first) != key(other) for other in others)


@pytest.mark.parametrize(
    "via", ["SIP/2.0/UDP PBX.example:5060;branch=z9hG4bK1", "SIP / 2.0 / UDP pbx.example : 5060;branch=z9hG4bK1"]
)
def test_a_sent_by_is_compared_by_what_it_means(via: str) -> None:
    other = request("INFO", sent_by="pbx.example:5060")
    assert key(with_headers(other, ("via", via))) == key(other)


def test_a_flood_within_a_call_costs_a_bounded_table() -> None:
    table = Table()
    flood = [request("INFO", number, f"z9hG4bK{number}") for number in range(MOST * 2)]
    for made in flood:
        table.kept.begin(made, Message((), status=200, reason="OK"), FAR, 0.0)
    assert [made for made in flood if table.kept.repeated(made, 0.0)] == flood[MOST:]


@pytest.mark.parametrize(
    ("invite", "status", "event"),
    [(True, 200, Event.H), (True, 200, Event.J), (True, 486, Event.L), (False, 200, Event.ACK), (False, 200, Event.I)],
)
def test_what_a_state_does_not_list_changes_nothing(invite: bool, status: int, event: Event) -> None:
    made = ServerTransaction(invite, b"x", status, ("192.0.2.1", 5060), (), Timers(), reliable=False)
    made.begin(0.0)
    before = made.state
    assert not made.on(event, 1.0)
    assert (made.state, made.acknowledged) == (before, False)


@pytest.mark.parametrize("event", Event)
def test_nothing_happens_to_a_transaction_that_is_over(event: Event) -> None:
    made = ServerTransaction(True, b"x", 486, FAR, (), Timers(), reliable=False)
    made.begin(0.0)
    made.on(Event.H, 32.0)
    assert not made.on(event, 33.0)
    assert (made.state, made.acknowledged) == (State.TERMINATED, False)


def test_a_via_that_cannot_be_read_names_a_transaction_all_the_same() -> None:
    ones, others = (with_headers(request("INFO"), ("via", f"{host};branch={BRANCH}")) for host in ("one", "other"))
    assert key(ones) == key(ones) != key(others)
    assert way_back(ones, ("192.0.2.7", 4000), TransportKind.UDP) == ("192.0.2.7", 4000)
