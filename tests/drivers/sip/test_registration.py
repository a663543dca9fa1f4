"""Registrars with one contact a user, stale nonces, and restarts of ours: the agent without I/O."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.address import TransportKind
from drivers.sip.agent import UserAgent
from drivers.sip.message import Message, parse
from drivers.sip.registration import Registration
from drivers.sip.request_builder import Identity
from tests.drivers.sip.agents import FIRST, SDP, agent, reply, sent, with_headers
from tests.drivers.sip.registrars import OLD, OneContact


def lives(ours: UserAgent, registrar: OneContact, now: float, until: float) -> float:
    """Time passes, and the registrar answers at once; when the time is over."""
    while now <= until:
        ours.poll(now)
        while messages := sent(ours):
            for message, _ in messages:
                status, headers = registrar.answer(message)
                given = parse(reply(message, status, *headers))
                kept = tuple(h for h in given.headers if h[0] != "contact" or h in headers)
                ours.receive(Message(kept, status=status, reason="Whatever").encode(), FIRST, now)
        now = min(max(ours.deadline(), now + 0.001), max(until, now) + 0.001)
    return now


def ours_at(host: str, *contacts: str, kind: TransportKind = TransportKind.UDP) -> UserAgent:
    made = agent(kind=kind)
    made.registration = Registration(made.identity, "sip:trunk.example", contacts=contacts)
    made.move(host, 0.0)
    return made


def test_an_unregister_that_is_answered_with_a_stale_nonce_is_repeated() -> None:
    """There used to be a bug: it was not repeated, the binding stayed, and the next start was refused for 258 s."""
    registrar = OneContact(uses=1)
    before = ours_at("192.0.2.9:40001")
    now = lives(before, registrar, 0.0, 1.0)
    assert registrar.bound == [OLD]
    before.unregister(now)
    lives(before, registrar, now, now + 1.0)
    assert registrar.bound == []
    after = ours_at("192.0.2.9:40002")
    lives(after, registrar, 0.0, 0.1)
    assert after.registration is not None
    assert after.registration.registered


def test_a_contact_of_before_is_removed_before_the_next_one_is_registered() -> None:
    registrar = OneContact(bound=[OLD])
    ours = ours_at("192.0.2.9:40002", OLD)
    lives(ours, registrar, 0.0, 0.1)
    assert registrar.bound == ["sip:gw@192.0.2.9:40002"]
    assert ours.registration is not None
    assert ours.registration.registered
    assert ours.registration.contacts == ("sip:gw@192.0.2.9:40002",)


def test_a_connection_with_another_port_takes_the_contact_along() -> None:
    """A new TCP connection has a new port, and so a new Contact."""
    registrar = OneContact()
    ours = ours_at("192.0.2.9:40001", kind=TransportKind.TCP)
    now = lives(ours, registrar, 0.0, 1.0)
    ours.on_lost(FIRST, "gone", now)
    ours.move("192.0.2.9:40002", now)
    lives(ours, registrar, now, now + 0.1)
    assert registrar.bound == ["sip:gw@192.0.2.9:40002;transport=tcp"]
    assert ours.registration is not None
    assert ours.registration.registered


def test_a_register_before_there_is_a_connection_counts_as_no_contact_of_ours() -> None:
    """Over TCP nobody can reach us until then."""
    ours = ours_at("", kind=TransportKind.TCP)
    assert ours.registration is not None
    ours.registration.request()
    assert ours.registration.contacts == ()


def test_a_nat_that_shows_ever_new_addresses_does_not_make_us_storm() -> None:
    """Each response used to cause another REGISTER: 70 a second at a registrar that is near."""
    ours, times, now = ours_at("192.0.2.9:40001"), [], 0.0
    while now < 60:
        ours.poll(now)
        for register, _ in sent(ours):
            times.append(now)
            ours.receive(reply(register, 200), FIRST, now)
            ours.move(f"203.0.113.9:{10_000 + len(times)}", now)
        now += 0.01
    assert times[:2] == [0.0, 0.01]
    assert len(times) <= 3 * 60 / 10 + 1
    assert ours.registration is not None
    assert ours.registration.registered


def test_a_move_that_has_to_wait_is_said_in_the_end() -> None:
    ours = ours_at("192.0.2.9:40001")
    for port in range(40_002, 40_020):
        ours.move(f"192.0.2.9:{port}", 0.5)
        ours.poll(0.5)
        for register, _ in sent(ours):
            ours.receive(reply(register, 200), FIRST, 0.5)
    ours.poll(10.5)
    ((register, _),) = sent(ours)
    assert register.all("contact")[0] == "<sip:gw@192.0.2.9:40019>"


@dataclass
class OneRead(OneContact):
    """Reads the first Contact of a request only."""

    def answer(self, request: Message) -> tuple[int, tuple[tuple[str, str], ...]]:
        first = ("contact", request.all("contact")[0])
        return super().answer(with_headers(request, first))


def test_a_registrar_that_reads_one_contact_gets_the_removal_apart() -> None:
    registrar = OneRead(bound=[OLD])
    ours = ours_at("192.0.2.9:40002", OLD)
    lives(ours, registrar, 0.0, 0.1)
    assert registrar.bound == ["sip:gw@192.0.2.9:40002"]


@dataclass
class Rewriter(OneContact):
    """Takes every Contact for the address that it sees, as registrars for phones behind NATs do."""

    def answer(self, request: Message) -> tuple[int, tuple[tuple[str, str], ...]]:
        seen = [("contact", f"<sip:gw@203.0.113.9:62000>{value.partition('>')[2]}") for value in request.all("contact")]
        return super().answer(with_headers(request, *seen))


def test_a_registrar_that_takes_all_contacts_for_one_keeps_ours() -> None:
    registrar = Rewriter(bound=["sip:gw@203.0.113.9:62000"])
    ours = ours_at("192.0.2.9:40002", OLD)
    lives(ours, registrar, 0.0, 0.1)
    assert registrar.bound == ["sip:gw@203.0.113.9:62000"]
    assert len(registrar.heard) == 3  # challenged, with the removal, alone


def test_a_registrar_that_removes_nothing_is_asked_again_and_said_to_hold_a_contact() -> None:
    ours = ours_at("192.0.2.9:40002", OLD)
    assert ours.registration is not None
    asked, now = [], 0.0
    for _ in range(6):
        ours.poll(now)
        ((register, _),) = sent(ours)
        asked += [register.all("contact")]
        ours.receive(reply(register, 403), FIRST, now)
        now = ours.registration.due
    new, gone = "<sip:gw@192.0.2.9:40002>", f"<{OLD}>;expires=0"
    assert asked == [[new, gone], [gone], [new]] * 2
    assert (ours.registration.refused, ours.registration.earlier) == (True, (OLD,))
    assert now >= 2.0  # it is not asked without end at once


def test_of_several_contacts_none_of_which_is_ours_the_response_says_how_long() -> None:
    ours = ours_at("192.0.2.9:40002")
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    others = [("contact", f"<sip:{user}@192.0.2.8>;expires=20") for user in ("desk", "door")]
    ours.receive(reply(register, 200, *others, ("expires", "3600")), FIRST, 0.1)
    assert ours.registration is not None
    assert ours.registration.registered
    assert ours.registration.due > 1800


def test_a_register_that_was_never_answered_is_taken_back_too() -> None:
    ours = ours_at("192.0.2.9:40001")
    ours.poll(0.0)
    sent(ours)
    ours.unregister(0.1)
    ((removal, _),) = sent(ours)
    assert (removal.all("contact"), removal.get("expires")) == ([f"<{OLD}>;expires=0"], "0")
    ours.receive(reply(removal, 503), FIRST, 0.2)
    assert ours.registration is not None
    assert ours.registration.due == float("inf")


def test_a_register_that_is_challenged_after_we_left_is_not_repeated() -> None:
    ours = ours_at("192.0.2.9:40001")
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    ours.unregister(0.1)
    ((removal, _),) = sent(ours)
    challenge = ("www-authenticate", 'Digest realm="x", nonce="y"')
    for request in (register, removal):
        ours.receive(reply(request, 401, challenge), FIRST, 0.2)
    ((signed, _),) = sent(ours)
    assert (signed.get("expires"), signed.get("authorization")[:6]) == ("0", "Digest")


def test_a_probe_that_is_challenged_is_signed() -> None:
    ours = agent()
    ours.probe(0.0)
    ((probe, _),) = sent(ours)
    ours.receive(reply(probe, 401, ("www-authenticate", 'Digest realm="x", nonce="y"')), FIRST, 0.1)
    ((signed, _),) = sent(ours)
    assert (signed.method, signed.get("authorization")[:6]) == ("OPTIONS", "Digest")
    assert signed.cseq[0] == probe.cseq[0] + 1
    assert signed.branch != probe.branch
    ours.receive(reply(signed, 401, ("www-authenticate", 'Digest realm="x", nonce="y"')), FIRST, 0.2)
    assert sent(ours) == []


def test_a_cancel_and_an_ack_are_never_signed_anew() -> None:
    """They cannot be challenged (22.1); the ACK to a 2xx repeats what signed its INVITE (13.2.2.4)."""
    ours = agent()
    call = ours.call("sip:+44@trunk.example", SDP, 0.0)
    ((invite, _),) = sent(ours)
    ours.receive(reply(invite, 407, ("proxy-authenticate", 'Digest realm="x", nonce="y", qop="auth"')), FIRST, 0.1)
    invite = sent(ours)[-1][0]
    ours.receive(reply(invite, 180), FIRST, 0.2)
    ours.hang_up(call, 0.3)
    ((cancel, _),) = sent(ours)
    assert (cancel.method, cancel.get("proxy-authorization")) == ("CANCEL", "")
    ours.receive(reply(cancel, 407, ("proxy-authenticate", 'Digest realm="x", nonce="z"')), FIRST, 0.4)
    assert sent(ours) == []
    ours.receive(reply(invite, 200), FIRST, 0.5)
    ack = sent(ours)[0][0]
    assert (ack.method, ack.get("proxy-authorization")) == ("ACK", invite.get("proxy-authorization"))


def test_an_instance_is_told_and_the_same_after_a_restart() -> None:
    made = agent()
    made.registration = Registration(made.identity, "sip:trunk.example", instance="urn:uuid:1")
    made.poll(0.0)
    ((register, _),) = sent(made)
    assert register.get("contact") == '<sip:gw@192.0.2.9:5060>;+sip.instance="<urn:uuid:1>"'


# --- what was granted (10.2.4) ---------------------------------------------------------------------------------------

OURS = "sip:gw@192.0.2.9:40001"
INSTANCE = "urn:uuid:00000000-0000-5000-8000-000000000001"
OUR_INSTANCE = '+sip.instance="<' + INSTANCE + '>"'


def granted(*headers: tuple[str, str], kind: TransportKind = TransportKind.UDP) -> float:
    """When the next REGISTER is due, after a 200 at 0 s to one that asked for 300 s."""
    ours = ours_at("192.0.2.9:40001", kind=kind)
    assert ours.registration is not None
    ours.registration.instance = INSTANCE
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    bare = tuple(header for header in parse(reply(register, 200)).headers if header[0] != "contact")
    ours.receive(Message((*bare, *headers), status=200, reason="OK").encode(), FIRST, 0.0)
    assert ours.registration.registered
    return ours.registration.due


@pytest.mark.parametrize(
    "contact",
    [
        f"<{OURS}>;expires=10",
        f"{OURS};expires=10",
        "<sip:gw@203.0.113.9:62000>;expires=10",
        f"<{OURS};ob>;expires=10",
        f"<{OURS};transport=TCP>;q=0.5;expires=10",
        f"<{OURS}>;{OUR_INSTANCE};expires=10;reg-id=1",
        f"<{OURS}>;expires=10;{OUR_INSTANCE}",
        f'"Gateway, <the> first" <{OURS}>;expires="10"',
        "<SIP:gw@192.0.2.9:40001>; Expires = 10",
        f"<{OURS}>;expires=10, <sip:gw@192.0.2.7:5060>;expires=200",
        f"<sip:gw@192.0.2.7:5060>;expires=3, <{OURS};ob>;expires=10",
        f"<sip:gw@203.0.113.9:62000>;{OUR_INSTANCE};expires=10, <sip:gw@192.0.2.7:5060>;expires=3",
        "<sip:gw@203.0.113.9:62000>;expires=10, <sip:phone@192.0.2.7:5060>;expires=3",
        "<sip:%67w@203.0.113.9:62000>;expires=10, <sip:phone@192.0.2.7:5060>;expires=3",
        "<sips:GW@203.0.113.9:62000>;expires=10, sip:phone@192.0.2.7:5060;expires=3",
    ],
)
@pytest.mark.parametrize("header", [(), (("expires", "240"),)], ids=["", "Expires"])
def test_the_time_of_our_own_binding_counts_in_whatever_form(contact: str, header: tuple[tuple[str, str], ...]) -> None:
    """There used to be a bug: only our Contact as we wrote it counted; we were called registered for 240 s."""
    assert granted(("contact", contact), *header) == 8.0


@pytest.mark.parametrize(
    ("headers", "due"),
    [
        ((), 240.0),
        ((("expires", "60"),), 48.0),
        ((("expires", "60"), ("contact", f"<{OURS}>")), 48.0),
        ((("expires", "soon"), ("contact", f"<{OURS}>;expires=never")), 240.0),
        ((("contact", "*"), ("expires", "60")), 48.0),
        ((("contact", f"<{OURS}>;expires=1"),), 1.0),
        ((("contact", f"<{OURS}>;expires=4294967295"),), 69_120.0),
    ],
)
def test_without_a_time_of_ours_that_of_the_response_counts(headers: tuple[tuple[str, str], ...], due: float) -> None:
    assert granted(*headers) == due


def test_a_binding_that_is_not_kept_is_no_registration() -> None:
    ours = ours_at("192.0.2.9:40001")
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    answer = with_headers(parse(reply(register, 200)), ("contact", f"<{OURS}>;expires=0"))
    ours.receive(answer.encode(), FIRST, 0.1)
    assert ours.registration is not None
    assert (ours.registration.registered, ours.registration.due) == (False, 1.1)


@pytest.mark.parametrize(
    ("least", "asked"), [("0", 300), ("60", 300), ("600", 600), ("9999999999", 86_400), ("soon", 300)]
)
def test_a_registrar_that_wants_a_longer_time_gets_it(least: str, asked: int) -> None:
    """There used to be a bug: "Min-Expires: 0" made us take our own contact back (423, 10.2.8)."""
    ours = ours_at("192.0.2.9:40001")
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    ours.receive(reply(register, 423, ("min-expires", least)), FIRST, 0.1)
    ours.poll(ours.registration.due if ours.registration is not None else 0.0)
    assert int(sent(ours)[-1][0].get("expires")) == asked


# --- whatever a registrar says ---------------------------------------------------------------------------------------

CHALLENGES = (
    'Digest realm="a", nonce="{n}"',
    'Digest realm="b", nonce="{n}", stale=true',
    "Basic realm=x",
    "Digest ,=",
)
CONTACTS = (
    f"<{OURS}>;expires=7",
    "<sip:[::1%>;expires=9",
    "*",
    f"<{OURS}>;expires=0",
    '"',
    "<sip:gw@x>;expires=99999999",
)

answers = st.tuples(
    st.sampled_from([200, 202, 301, 400, 401, 403, 404, 407, 423, 500, 503, 603, None]),
    st.sampled_from(CHALLENGES),
    st.sampled_from(CONTACTS),
    st.sampled_from(["0", "7", "soon", "99999999999"]),
)


@given(st.lists(answers, max_size=12))
def test_a_registration_always_comes_back_and_never_storms(said: list[tuple[int | None, str, str, str]]) -> None:
    """Whatever the registrar answers, the next REGISTER is due, and few requests are sent at once."""
    ours, now, number = ours_at("192.0.2.9:40002", OLD), 0.0, 0
    assert ours.registration is not None
    for status, challenge, contact, seconds in said:
        ours.poll(now)
        for burst in range(1, 100):
            messages = sent(ours)
            if status is None or not messages:
                break
            assert burst < 20
            number += 1
            challenged = [(name, challenge.format(n=number)) for name in ("www-authenticate", "proxy-authenticate")]
            times = [(name, seconds) for name in ("expires", "min-expires", "retry-after")]
            for message, _ in messages:
                answer = reply(message, status, *challenged, ("contact", contact), *times)
                ours.receive(answer, FIRST, now)
            ours.poll(now)
        now = max(now + 0.001, min(ours.deadline(), now + 90_000.0))
    for _ in range(200):
        ours.poll(now)
        for message, _ in sent(ours):
            ours.receive(reply(message, 200, ("expires", "300")), FIRST, now)
        if ours.registration.registered and ours.registration.due > now:
            break
        now = max(now + 0.001, min(ours.deadline(), now + 90_000.0))
    assert ours.registration.registered


# --- parts of it -------------------------------------------------------------------------------------------


def test_over_tcp_we_have_no_contact_to_remember_before_there_is_a_connection() -> None:
    registration = Registration(Identity("sip:gw@trunk.example", "gw", "", TransportKind.TCP), "sip:trunk.example")
    registration.request()
    assert registration.contacts == ()


def test_a_call_without_an_answer_does_not_hurry_a_registration_that_has_failed() -> None:
    registration = Registration(Identity("sip:gw@trunk.example", "gw", "192.0.2.9:5060"), "sip:trunk.example")
    registration.request()
    registration.on_time_out("no response", 10.0)
    due = registration.due
    registration.suspect(10.5)
    assert registration.due == due > 10.5


def registered_after(back_at: float, during: int | None, *headers: tuple[str, str]) -> float:
    """Seconds from a registrar's return to the next registration. during: its answer till then, or None: silence."""
    ours = agent()
    ours.registration = Registration(ours.identity, "sip:trunk.example")
    now = 0.0
    for _ in range(10_000):
        ours.poll(now)
        for message, _ in sent(ours):
            if now >= back_at:
                return now - back_at
            if during is not None:
                ours.receive(reply(message, during, *headers), FIRST, now)
        now = max(ours.deadline(), now)
    raise AssertionError("it gave up")


@pytest.mark.parametrize("back_at", [300.0, 311.3, 317.9, 326.6, 331.2, 339.5])
@pytest.mark.parametrize("during", [None, 503])
def test_a_registrar_that_was_away_for_five_minutes_has_us_back_within_10_s(back_at: float, during: int | None) -> None:
    assert registered_after(back_at, during) <= 10.0


def test_a_registrar_that_asks_for_patience_gets_a_minute_of_it_at_the_most() -> None:
    waits = [registered_after(300.0 + n, 503, ("retry-after", "3600")) for n in range(0, 60, 7)]
    assert 10.0 < max(waits) <= 60.0
