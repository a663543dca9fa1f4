"""What a far end writes, or a defect of ours, ends one call at most. A thread that dies is reported and replaced."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from selectors import DefaultSelector

import pytest

from drivers import Call, CallHandle, CallOutcome, CallPhase, DeviceState, TrunkStatus, Unavailable
from drivers.pyvoip import Driver, Options, transport
from drivers.pyvoip.lease import Lease
from drivers.pyvoip.lookup_schedule import LOOK_AGAIN_S, RETRY_S
from drivers.pyvoip.server_location import locate
from drivers.pyvoip.shared_parts import Locator, SharedParts
from drivers.pyvoip.sip_port import SipPort
from drivers.pyvoip.transport import Lost, Streams
from drivers.pyvoip.trunk import Trunk
from drivers.sip.address import Address, Timers, TransportKind
from drivers.sip.call_events import Answered, Ended
from drivers.sip.message import Message, parse
from drivers.sip.registration import Registration
from drivers.sip.sdp import offer
from tests.drivers.pyvoip.callee import Callee, answer_with, far_end, request_after
from tests.drivers.pyvoip.calling import (
    BOUND_S,
    NUMBER,
    Phases,
    becomes,
    dial,
    driver,
    pacer_pid,
    result,
    same_signalling,
    tone,
    wait_for_end,
)
from tests.drivers.sip.agents import FIRST, SDP, agent, answered, placed, reply, sent
from tests.gateway import until

HOSTILE = (
    *("[::1%" + "é" * 70 + "]", "[::1%lo]", "127.0.0.8\0", "sbc\0.example", "[::1\0]", "[", "%", "é" * 70, "a" * 300),
    *("127.0.0.8:0", "127.0.0.8:99999", "127.0.0.8:٣", "0.0.0.0", "255.255.255.255", "224.0.0.1", "[::1]", "1.2.3"),
)
"""Hosts of URIs that a far end may write."""


@pytest.mark.parametrize("header", ["contact", "record-route"])
def test_no_host_that_a_far_end_writes_ends_more_than_its_own_call(
    header: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There used to be hosts that made sendto() raise, which ended voice until the daemon was restarted."""
    with far_end() as peer:
        callee = Callee(peer)
        with driver(callee.address, Timers(t1=0.05)) as opened:
            for bad in HOSTILE:
                handle, _ = dial(opened, tone(0.1))
                callee.answer((header, f"<sip:far@{bad};lr>"))
                handle.hang_up()
                result(handle)
            handle, _ = dial(opened, tone(0.1, 0.1))
            callee.hear_bye(callee.answer())
            assert result(handle).outcome is CallOutcome.ANSWERED
            assert same_signalling(opened, caplog.text)


@contextmanager
def streams() -> Iterator[Streams]:
    with DefaultSelector() as selector:
        opened = Streams("127.0.0.1", selector)
        try:
            yield opened
        finally:
            opened.close()


@pytest.mark.parametrize("host", ["::1", "255.255.255.255", "224.0.0.1", "0.0.0.0", "240.0.0.1"])
def test_a_connection_to_where_there_is_no_way_is_lost_and_says_so(host: str) -> None:
    with streams() as opened:
        opened.send(b"x", (host, 9))
        end = time.monotonic() + BOUND_S
        while not (found := opened.receive(time.monotonic())):
            assert time.monotonic() < end
        assert {type(each) for each in found} == {Lost}


def test_a_connection_for_which_no_descriptor_is_free_is_lost_and_says_so() -> None:
    """There used to be a thread that died of it: the trunk asks for its own address where nothing catches the error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with streams() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            assert opened.local(("127.0.0.8", 9)) == ("127.0.0.1", 0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert opened.receive(0.0) == [Lost(("127.0.0.8", 9), "Too many open files")]


def test_who_sends_much_over_a_connection_does_not_keep_the_thread_from_everything_else() -> None:
    """There used to be turns of seconds: one read of 2 MB held 16,000 requests, and all were answered in one go."""
    request = b"OPTIONS sip:x SIP/2.0\r\nl: 0\r\n\r\n"
    with streams() as opened, socket.create_server(("127.0.0.1", 0)) as server:
        opened.send(b"x", server.getsockname())
        server.settimeout(BOUND_S)
        peer, _ = server.accept()
        with peer:
            peer.sendall(request * 1000)
            turns: list[int] = []
            end = time.monotonic() + BOUND_S
            while sum(turns) < 1000:
                assert time.monotonic() < end
                turns.append(len(opened.receive(time.monotonic())))
                assert turns[-1] < 64 or opened.deadline() == 0.0
    assert sum(turns) == 1000
    assert max(turns) == 64


def closed(server: socket.socket) -> bool:
    """Whether the connection that it was given is closed."""
    server.settimeout(BOUND_S)
    peer, _ = server.accept()
    with peer:
        peer.setblocking(False)
        try:
            while peer.recv(9):
                pass
        except ConnectionResetError:
            return True
        except BlockingIOError:
            return False
        return True


def test_far_ends_that_name_ever_new_addresses_do_not_use_up_our_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """There used to be a connection for each address that a Contact named, for ever."""
    monkeypatch.setattr(transport, "MOST_CONNECTIONS", 4)
    with streams() as opened, ExitStack() as listening:
        servers = [listening.enter_context(socket.create_server(("127.0.0.8", 0))) for _ in range(9)]
        first, *others = (server.getsockname() for server in servers)
        for other in others:
            opened.send(b"x", first)
            opened.send(b"x", other)
        assert [closed(server) for server in servers] == [False] + 5 * [True] + 3 * [False]


# --- mistakes of ours --------------------------------------------------------------------------------------


def test_a_mistake_in_one_call_ends_it_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """A part of the call is removed, as a defect of ours may do; then its far end sends a response."""
    ours = agent()
    call, invite = placed(ours)
    other, _ = answered(ours)
    response = reply(invite, 200, body=SDP)
    ours.receive(response, FIRST, 1.0)
    call.requester.identity = None  # type: ignore[assignment]
    ours.receive(response, FIRST, 2.0)
    assert call.call_id not in ours.calls
    assert [type(event) for event in call.events] == [Answered, Ended]
    assert call.broken == "internal error"
    sent(ours)
    ours.hang_up(other, 3.0)
    assert [message.method for message, _ in sent(ours)] == ["BYE"]
    assert "error=AttributeError at=request_builder.py:" in caplog.text


def test_a_mistake_in_a_registration_lets_it_begin_again() -> None:
    ours = agent()
    ours.registration = Registration(ours.identity, "sip:trunk.example")
    ours.registration.requester.identity = None  # type: ignore[assignment]
    ours.poll(0.0)
    assert (ours.registration.problem, ours.registration.due) == ("internal error", 1.0)
    ours.registration.requester.identity = ours.identity
    ours.poll(1.0)
    assert [message.method for message, _ in sent(ours)] == ["REGISTER"]


@pytest.mark.parametrize("at", [CallPhase.DIALLING, CallPhase.RINGING, CallPhase.ANSWERED])
def test_a_listener_that_raises_costs_its_own_call_only(at: CallPhase, caplog: pytest.LogCaptureFixture) -> None:
    """All calls share one thread, and any of them used to be able to end it."""

    def broken(phase: CallPhase) -> None:
        if phase is at:
            raise LookupError("a mistake of whoever listens")

    with far_end() as peer:
        callee = Callee(peer)
        with driver(callee.address) as opened:
            first, phases = dial(opened, tone(0.1, 0.1))
            first_invite = callee.answer()
            phases.wait_for(CallPhase.ANSWERED)
            handle = opened.call(Call(NUMBER, tone(0.1)), broken)
            if at is not CallPhase.DIALLING:
                callee.answer(ringing=True)
            assert (result(handle).outcome, result(handle).reason) == (CallOutcome.FAILED, "internal error")
            callee.hear_bye(first_invite)
            assert result(first).outcome is CallOutcome.ANSWERED
            assert same_signalling(opened, caplog.text)
            assert opened.status().calls == 0


# --- the watch ---------------------------------------------------------------------------------------------


@contextmanager
def watched(server: str, bind: str = "127.0.0.1:0", locate: Locator = locate) -> Iterator[Driver]:
    opened = Driver(
        "voice", Options(server, register=False, bind=bind), locate=locate, check_s=0.2
    )  # a thread that ends in good order is not taken for a stuck one
    opened.open(lambda _: None)
    try:
        yield opened
    finally:
        opened.close()


def astray(_: str, __: TransportKind) -> tuple[Address, ...]:
    """A locator whose address is of a wrong type, so that the thread that uses it dies."""
    return (("127.0.0.1", "no port"),)  # type: ignore[return-value]


def test_signalling_that_dies_says_so_and_is_tried_again_until_it_lives() -> None:
    """The watch used to die of the same error as the thread, while status still said "ready"."""
    with far_end() as peer:
        mended, address = threading.Event(), peer.getsockname()
        locator: Locator = lambda *asked: (address,) if mended.is_set() else astray(*asked)  # noqa: E731
        with watched(Callee(peer).address, "0.0.0.0:0", locator) as opened:
            assert "died" in becomes(opened, DeviceState.FAILED, alive=False)
            handle, _ = dial(opened, tone(0.1))
            with pytest.raises(Unavailable):
                result(handle)
            mended.set()
            becomes(opened, DeviceState.READY)


def test_signalling_that_dies_says_so_in_the_last_that_it_publishes() -> None:
    """For a moment it used to be "closed", and then one that "does not respond"."""
    seen: list[TrunkStatus] = []
    opened = Driver("voice", Options("127.0.0.9:5060", register=False), locate=astray, check_s=60)
    opened.open(lambda _: seen.append(opened.status()))
    until(lambda: opened.status().state is DeviceState.FAILED, "it died", BOUND_S)
    opened.close()
    assert {(each.state, each.alive) for each in seen} <= {(DeviceState.STARTING, True), (DeviceState.FAILED, False)}
    assert "died" in seen[-1].detail


def test_signalling_that_dies_at_once_is_replaced_ever_less_often(caplog: pytest.LogCaptureFixture) -> None:
    """The exact pauses are in the tests of the watch."""

    def replaced() -> list[float]:
        """When, once it was often enough."""
        at = [each.created for each in caplog.records if "the next generation starts" in each.getMessage()]
        return at if len(at) > 3 else []

    opened = Driver("voice", Options("127.0.0.9:5060", register=False), locate=astray, check_s=0.2)
    opened.open(lambda _: None)
    at = until(replaced, "it is replaced", BOUND_S)
    opened.close()
    assert at[3] - at[0] > 0.9  # pauses of 0.2, 0.4 and 0.8 s; at every look, it would be 0.6 s


def test_signalling_that_wakes_up_after_it_was_replaced_does_no_harm() -> None:
    """The watch used to send the BYEs itself, beside a thread that could wake up at any time."""
    release, woken = threading.Event(), threading.Event()

    def stuck(phase: CallPhase) -> None:
        if phase is CallPhase.ANSWERED:
            release.wait(BOUND_S)
            woken.set()

    with far_end() as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        callee = Callee(peer)
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        with watched(callee.address, bind) as opened:
            becomes(opened, DeviceState.READY)
            (old,) = (thread for thread in threading.enumerate() if thread.name == "voice")
            old_audio = pacer_pid()
            handle = opened.call(Call(NUMBER, tone(0.1)), stuck)
            invite = callee.answer()
            assert result(handle).reason == "signalling stopped responding"
            becomes(opened, DeviceState.READY)
            callee.hear_bye(invite)  # which the new signalling sends by the same port
            wait_for_end(old_audio)  # it plays no more, though its thread still hangs
            release.set()
            old.join(BOUND_S)
            assert not old.is_alive()
            assert woken.is_set()
            second, _ = dial(opened, tone(0.1, 0.1))
            callee.hear_bye(callee.answer())
            assert result(second).outcome is CallOutcome.ANSWERED
            assert len(callee.branches("BYE", invite)) == 1


def processed(peer: socket.socket, to: Address) -> None:
    """Wait until signalling has read all that was sent to it before: it answers a request that is sent last."""
    host, port = peer.getsockname()
    via = f"SIP/2.0/UDP {host}:{port};branch=z9hG4bKprobe"
    headers = (("via", via), ("from", "<sip:x>;tag=x"), ("to", "<sip:y>"), ("call-id", "probe"), ("cseq", "1 OPTIONS"))
    peer.sendto(Message(headers, method="OPTIONS", uri="sip:gateway").encode(), to)
    while parse(peer.recv(65_535)).get("call-id") != "probe":
        pass


@contextmanager
def hanging(opened: Driver) -> Iterator[CallHandle]:
    """Signalling hangs as a new call begins."""
    release, hangs = threading.Event(), threading.Event()

    def stuck(_: CallPhase) -> None:
        hangs.set()
        release.wait(BOUND_S)

    handle = opened.call(Call(NUMBER, tone(0.1)), stuck)
    assert hangs.wait(BOUND_S)
    try:
        yield handle
    finally:
        release.set()


@dataclass(frozen=True)
class Placed:
    """A call on signalling that a test can make hang."""

    opened: Driver
    callee: Callee
    handle: CallHandle
    phases: Phases

    @contextmanager
    def lost(self, source: Address) -> Iterator[None]:
        """What was sent so far has been taken. Then signalling hangs, and the call is reported. source: its address."""
        processed(self.callee.peer, source)
        with hanging(self.opened):
            assert result(self.handle).reason == "signalling stopped responding"
            yield


@pytest.fixture
def placed_call() -> Iterator[Placed]:
    """Its INVITE is on the way; if it is answered, it speaks for half a minute."""
    with far_end() as peer:
        callee = Callee(peer)
        with watched(callee.address) as opened:
            becomes(opened, DeviceState.READY)
            yield Placed(opened, callee, *dial(opened, tone(30)))


def test_a_call_of_which_only_100_came_is_cancelled_where_signalling_hangs(placed_call: Placed) -> None:
    """There used to be no CANCEL: what ends a call was noted when it rang or was answered, and at no other time."""
    callee = placed_call.callee
    invite, source = callee.invited()
    callee.peer.sendto(answer_with(invite, callee.peer, 100), source)
    with placed_call.lost(source):
        assert callee.asked("CANCEL", invite)[0].branch == invite.branch


def test_an_answer_that_crosses_the_cancel_of_new_signalling_gets_ack_and_bye(placed_call: Placed) -> None:
    """There used to be no ACK, and a call that stayed up at its far end."""
    callee = placed_call.callee
    invite, source = callee.invited()
    callee.peer.sendto(answer_with(invite, callee.peer, 180), source)
    with placed_call.lost(source):
        source = callee.asked("CANCEL", invite)[1]
        sdp = offer(callee.peer.getsockname()[0], 9, 1)
        callee.peer.sendto(answer_with(invite, callee.peer, 200, sdp=sdp), source)
        callee.asked("ACK", invite)
        callee.hear_bye(invite)


def test_a_callee_that_moved_hears_the_bye_there_where_signalling_hangs(placed_call: Placed) -> None:
    """There used to be a BYE to where the callee was when it answered."""
    callee = placed_call.callee
    with far_end() as moved:
        there = Callee(moved)
        invite = callee.answer()
        source = callee.asked("ACK", invite)[1]
        placed_call.phases.wait_for(CallPhase.ANSWERED)
        update = request_after("UPDATE", invite, ("contact", f"<sip:far@{there.address}>"))
        callee.peer.sendto(update, source)
        with placed_call.lost(source):
            assert there.asked("BYE", invite)[0].uri == f"sip:far@{there.address}"


def test_a_key_that_came_by_info_is_in_the_result_where_signalling_hangs(placed_call: Placed) -> None:
    """There used to be a result without the last key: it was noted before the key was counted."""
    callee = placed_call.callee
    invite = callee.answer()
    source = callee.asked("ACK", invite)[1]
    placed_call.phases.wait_for(CallPhase.ANSWERED)
    callee.peer.sendto(request_after("INFO", invite, ("content-type", "application/dtmf"), body=b"7"), source)
    with placed_call.lost(source):
        assert result(placed_call.handle).keys == "7"


def test_a_bye_at_the_end_of_the_driver_is_sent_until_it_is_answered() -> None:
    with far_end() as peer:
        callee = Callee(peer)
        with driver(callee.address) as opened, ExitStack() as closing:
            handle, phases = dial(opened, tone(30))
            invite = callee.answer()
            phases.wait_for(CallPhase.ANSWERED)
            thread = threading.Thread(target=opened.close)
            closing.callback(thread.join)
            thread.start()
            first, _ = callee.asked("BYE", invite)  # which is lost
            again, source = callee.asked("BYE", invite)
            assert again == first
            peer.sendto(answer_with(again, peer, 200), source)
            assert result(handle).outcome is CallOutcome.ANSWERED


def test_calls_of_signalling_that_hangs_are_reported_when_the_driver_closes() -> None:
    """There used to be calls without a result: the driver waited for the thread, and then reported nothing."""
    with far_end() as peer:
        callee = Callee(peer)
        opened = Driver("voice", Options(server=callee.address, register=False, bind="127.0.0.1:0"), check_s=60)
        opened.open(lambda _: None)
        becomes(opened, DeviceState.READY)
        with hanging(opened) as handle:
            waiting, _ = dial(opened, tone(0.1))
            opened.close()
            assert handle.result.result(0).reason == "signalling stopped responding"
            with pytest.raises(Unavailable):
                waiting.result.result(0)


def test_a_trunk_that_moved_to_where_no_port_can_be_opened_says_so_and_comes_back() -> None:
    """There used to be a thread that died of it: it kept the old agent, which had no transport any more."""
    servers = [("127.0.0.1", 9)]
    asked = threading.Event()
    options = Options(
        "trunk.example", register=False, bind="0.0.0.0:0"
    )  # IPv4, while the second server has an IPv6 address
    shared = SharedParts("voice", options, Timers(), lambda *_: tuple(servers), SipPort(), lambda _: None)
    with DefaultSelector() as selector:
        trunk = Trunk(shared, Lease(), selector, asked.set)

        def look_up(now: float) -> DeviceState:
            asked.clear()
            trunk.turn(now)
            assert asked.wait(BOUND_S)
            trunk.turn(now)
            return trunk.status().state

        assert look_up(0.0) is DeviceState.READY
        servers[:] = [("::1", 9)]
        for now in (LOOK_AGAIN_S, LOOK_AGAIN_S + RETRY_S):
            assert look_up(now) is not DeviceState.READY
            assert "family" in trunk.status().detail
        servers[:] = [("127.0.0.1", 9)]
        assert look_up(LOOK_AGAIN_S + 2 * RETRY_S) is DeviceState.READY
        trunk.close()
    shared.port.close()


def test_a_driver_that_is_closed_says_so_until_the_very_end_of_its_thread() -> None:
    """There used to be "signalling does not respond" at a stop in good order, where the thread was just ending."""
    opened = Driver("voice", Options("127.0.0.9:5060", register=False))
    at_the_end: list[DeviceState] = []

    def listen(_: object) -> None:
        if opened.status().state is DeviceState.CLOSED:  # the thread refuses this call as the last thing that it does
            handle, _ = dial(opened, tone(0.1))
            handle.result.add_done_callback(lambda _: at_the_end.append(opened.status().state))

    opened.open(listen)
    opened.close()
    assert at_the_end == [DeviceState.CLOSED]
