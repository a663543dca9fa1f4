"""The exchange of messages with a modem, without a modem: events in, orders and news out, the clock in the hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import (
    Deferred,
    Delivery,
    DriverError,
    LateAnswer,
    LeftBehind,
    Receipt,
    Refused,
    Sms,
    StatusReport,
    Unavailable,
    Uncertain,
)
from drivers.serial import at, error_causes, sending_interface
from drivers.serial.error_causes import ResultKind
from drivers.serial.error_results import CRAMMED, STUCK_AFTER
from drivers.serial.mute_or_slow import SLOWEST_ANSWER_S
from drivers.serial.network_answer import QUIET_S
from drivers.serial.restart_signs import Settings
from drivers.serial.sending import HELD, Exchange
from drivers.serial.sending_interface import (
    Body,
    BodyWritten,
    Due,
    Ended,
    Event,
    Given,
    GiveUp,
    Mute,
    Offer,
    Offered,
    Output,
    Probe,
    Probed,
    Query,
    Reported,
    SessionBegan,
    SessionEnded,
    Submit,
    Synchronise,
    Synchronised,
)
from drivers.serial.timing import Timing

TIMING = Timing()
NUMBER, OTHER = "447700900123", "447700900145"
SHORT, LONG = Sms(NUMBER, "Acme code: 1234.", 300), Sms(NUMBER, "x" * 400, 300)
OK, ERROR, PROMPT = at.Final(ResultKind.OK), at.Final(ResultKind.ERROR), at.Prompt()
ACCEPTED = (OFFERED := Offered(5.0), PROMPT, BodyWritten())
"""Up to Ctrl-Z."""


def cms(code: int) -> at.Final:
    return at.Final(ResultKind.CMS, code)


def reference(number: int | str) -> at.Answer:
    return at.Answer(f"+CMGS: {number}")


def late(number: int | str) -> at.Notice:
    """An answer when no command is under way."""
    return at.Notice("+CMGS", f"+CMGS: {number}")


def report(number: int, recipient: str = NUMBER) -> Reported:
    return Reported(StatusReport(number, recipient, Delivery.DELIVERED, 0))


class Modem:
    """A modem's side. out: of the last events; settings: known ones, so that the modem can be asked meanwhile."""

    def __init__(self, *settings: str) -> None:
        self.exchange = Exchange(TIMING)
        self.now = 1000.0
        self.out: list[Output] = []
        self.settings = Settings()
        for line in settings:
            self.settings.learn(line)

    def says(self, *events: Event) -> list[Output]:
        self.out = [output for event in events for output in self.exchange.handle(event, self.now)]
        return self.out

    def given(self, sms: Sms = SHORT, *events: Event) -> list[Output]:
        return self.says(Given(sms, self.settings), *events)

    def waits(self, seconds: float | None = None) -> list[Output]:
        """Until the exchange is due, or so long."""
        self.now = self.exchange.due if seconds is None else self.now + seconds
        return self.says(Due())

    def sends(self, number: int, sms: Sms = SHORT) -> None:
        self.given(sms, *ACCEPTED, reference(number), OK)
        assert self.result() == Receipt((number,))

    def loses_answer(self, sms: Sms = SHORT, *, answers: bool = True) -> None:
        """A message without an answer, behind which the modem answers a probe."""
        self.given(sms, *ACCEPTED)
        while not any(isinstance(each, Ended) for each in self.out):
            self.waits()
            if answers and any(isinstance(each, Query) for each in self.out):
                self.says(at.Aside("+CMEE: 1"))
        assert isinstance(self.result(), Uncertain)
        self.says(Probed(True))
        assert self.exchange.idle

    def result(self) -> Receipt | DriverError:
        (ended,) = [output for output in self.out if isinstance(output, Ended)]
        return ended.result

    def settled(self) -> list[Receipt | DriverError]:
        return [output.answer for output in self.out if isinstance(output, LateAnswer)]


@pytest.fixture
def modem() -> Modem:
    return Modem()


# --- a message ------------------------------------------------------------------------------------------------------


def test_a_message_goes_from_the_offer_to_the_receipt(modem: Modem) -> None:
    (offer,) = modem.given()
    assert isinstance(offer, Offer)
    assert modem.says(OFFERED) == []
    assert modem.exchange.due == modem.now + 5.0
    (body,) = modem.says(PROMPT)
    assert isinstance(body, Body)
    assert len(body.hex) // 2 == offer.length + 1
    assert modem.says(BodyWritten()) == [Submit()]
    assert modem.says(reference(7)) == []
    assert modem.says(OK) == [Ended(Receipt((7,)))]
    assert modem.exchange.idle


def test_each_part_of_a_long_message_is_offered_after_the_one_before(modem: Modem) -> None:
    modem.given(LONG)
    for number in (1, 2):
        assert [type(each) for each in modem.says(*ACCEPTED, reference(number), OK)] == [Body, Submit, Offer]
    modem.says(*ACCEPTED, reference(3), OK)
    assert modem.result() == Receipt((1, 2, 3))


def test_a_number_that_is_none_never_reaches_the_modem(modem: Modem) -> None:
    modem.given(Sms("12", "x", 300))
    assert isinstance(modem.result(), Refused)
    assert modem.exchange.idle


def test_what_nobody_waits_for_changes_nothing(modem: Modem) -> None:
    assert modem.says(OK, PROMPT, reference(1), Probed(True), Synchronised(), Due()) == []
    modem.given()
    assert modem.says(OK, PROMPT) == []
    modem.says(OFFERED)
    assert modem.says(at.Aside("+CMEE: 1")) == []


def test_nothing_of_a_message_shows_in_an_order(modem: Modem) -> None:
    outputs = [*modem.given(), *modem.says(OFFERED, PROMPT)]
    assert NUMBER not in repr(outputs)
    assert all(len(repr(output)) < 40 for output in outputs)


# --- before Ctrl-Z --------------------------------------------------------------------------------------------------


def test_without_a_prompt_nothing_was_sent(modem: Modem) -> None:
    modem.given(SHORT, OFFERED)
    assert modem.waits() == [Synchronise(always=True, no_prompt=True)]
    modem.says(Synchronised())
    assert type(modem.result()) is Unavailable


@pytest.mark.parametrize(
    ("final", "kind", "own"),
    [(ERROR, Unavailable, 0), (cms(500), Unavailable, 0), (cms(304), Deferred, 1), (OK, Unavailable, 1)],
    ids=["ERROR", "unknown", "its length", "OK"],
)
def test_a_refused_command_is_not_a_refused_message(
    modem: Modem, final: at.Final, kind: type[DriverError], own: int
) -> None:
    for _ in range(STUCK_AFTER):
        assert modem.given(SHORT, OFFERED, final)[-1] == Synchronise(always=True)
        modem.says(Synchronised())
        assert type(modem.result()) is kind
    assert modem.exchange.errors.stuck == bool(own)
    modem.says(SessionBegan())
    assert not modem.exchange.errors.stuck


def test_a_part_that_is_not_taken_leaves_the_message_uncertain(modem: Modem) -> None:
    modem.given(LONG, *ACCEPTED, reference(1), OK, OFFERED)
    modem.waits()
    modem.says(Synchronised())
    result = modem.result()
    assert isinstance(result, Uncertain)
    assert (result.parts, str(result)) == (1, "1 of 3 parts were sent, then: the modem gave no prompt for the message")


# --- the network's answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "kind"), [(1, Refused), (42, Deferred), (331, Unavailable), (332, Uncertain)])
def test_an_error_means_what_the_table_says(modem: Modem, code: int, kind: type[DriverError]) -> None:
    modem.given(SHORT, *ACCEPTED, cms(code))
    assert type(modem.result()) is kind


def test_error_is_believed_only_of_a_modem_that_says_more_as_a_rule(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED, ERROR)
    assert type(modem.result()) is Uncertain
    modem.given(SHORT, *ACCEPTED, cms(42))
    modem.given(SHORT, *ACCEPTED, ERROR)
    assert type(modem.result()) is Unavailable


def test_a_reference_that_cannot_be_read_is_none(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED, reference("x"), OK)
    assert modem.waits()[-1] == Ended(modem.result())
    assert "without a message reference" in str(modem.result())
    with pytest.raises(at.Malformed):
        modem.says(late("x"))


def test_a_reference_counts_though_its_ok_is_lost(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED, reference(7))
    assert modem.waits() == [GiveUp(), Ended(Receipt((7,)))]
    assert modem.now == 1000.0 + TIMING.probe


@pytest.mark.parametrize("again", [False, True])
def test_a_reference_behind_ok_is_the_messages(modem: Modem, again: bool) -> None:
    for number in range(1 + again):
        modem.given(SHORT, *ACCEPTED, OK)
        modem.now += TIMING.prompt - 1 if number == 0 else TIMING.prompt + 1  # once seen, it is waited for longer
        assert modem.says(late(number), at.Aside("+CMEE: 1")) == []
        assert modem.exchange.due == modem.now + QUIET_S
        modem.waits()
        assert modem.result() == Receipt((number,))


def test_a_reference_long_behind_ok_settles_nothing_but_is_waited_for_the_next_time(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED, OK)
    modem.waits()
    assert type(modem.result()) is Uncertain
    assert modem.says(late(1)) == []
    modem.given(SHORT, *ACCEPTED, OK)
    assert modem.exchange.due == modem.now + TIMING.answer


# The port used to be lost between "+CMGS: n" and OK, and the message, which the network had taken, was uncertain.
@pytest.mark.parametrize(
    ("before", "sms", "kind", "parts"),
    [
        ((), SHORT, Unavailable, 0),
        ((OFFERED, PROMPT), SHORT, Unavailable, 0),
        (ACCEPTED, SHORT, Uncertain, 1),
        ((*ACCEPTED, reference(7)), SHORT, Receipt, 0),
        ((*ACCEPTED, reference(7)), LONG, Uncertain, 1),
        ((*ACCEPTED, reference(7), OK), LONG, Uncertain, 1),
        ((*ACCEPTED, reference(7), OK, *ACCEPTED), LONG, Uncertain, 2),
    ],
)
def test_a_session_that_ends_leaves_of_a_message_what_is_known(
    modem: Modem, before: tuple[Event, ...], sms: Sms, kind: type, parts: int
) -> None:
    modem.given(sms, *before)
    modem.says(SessionEnded("the modem was lost"))
    result = modem.result()
    assert type(result) is kind
    assert parts == (result.parts if isinstance(result, Uncertain) else 0)
    assert modem.exchange.idle
    assert modem.says(SessionEnded("the modem was lost")) == []


# --- whether the modem is there -------------------------------------------------------------------------------------


def test_the_modem_is_asked_while_the_network_has_the_message() -> None:
    modem = Modem("+CMEE: 1")
    modem.given(SHORT, *ACCEPTED)
    assert modem.waits() == [Query("AT+CMEE?", "+CMEE")]
    assert modem.says(at.Aside("+CMEE: 1")) == []


def until_mute(modem: Modem) -> float:
    """A message after which the modem says nothing; the seconds from Ctrl-Z until the modem counts as mute."""
    modem.given(SHORT, *ACCEPTED)
    submitted = modem.now
    while modem.out != [Mute()]:
        assert modem.now < submitted + TIMING.listen
        if modem.out[-1:] == [Probe()]:
            modem.now += TIMING.probe
            modem.says(Probed(False))
        else:
            modem.waits()
    return modem.now - submitted


def test_a_modem_that_used_to_answer_meanwhile_is_mute_after_some_queries() -> None:
    modem = Modem("+CMEE: 1")
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.says(at.Aside("+CMEE: 1"), reference(1), OK)
    assert until_mute(modem) <= 33.0  # so that the reset, and the cut of its power 27 s later, come within 60 s
    modem.says(SessionEnded("mute"))
    assert isinstance(modem.result(), Uncertain)


@pytest.mark.parametrize("known", [True, False], ids=["waits", "not known"])
@pytest.mark.parametrize("settings", [["+CMEE: 1"], []], ids=["asked", "has no query"])
def test_a_modem_that_never_answered_meanwhile_is_mute_only_when_no_network_takes_so_long(
    known: bool, settings: list[str]
) -> None:
    """There used to be 30 s for a modem that was not known, so that a slow network cost it a reset."""
    modem = Modem(*settings)
    if known:
        modem.given(SHORT, *ACCEPTED)
        modem.waits(8.0)
        modem.says(reference(1), OK)
    assert 170.0 < until_mute(modem) <= TIMING.listen + TIMING.probe


def test_a_restart_shows_in_the_answer_to_a_query() -> None:
    modem = Modem("+CMEE: 1")
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.says(at.Aside("+CMEE: 0"))
    assert "restarted" in str(modem.result())


# --- a message that is not answered in time -------------------------------------------------------------------------


def test_after_an_unanswered_message_the_modem_is_probed_until_it_is_free(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED)
    give_up, ended, probe = modem.waits()
    assert (give_up, probe) == (GiveUp(), Probe())
    assert isinstance(ended, Ended)
    assert ended.listening
    assert modem.says(Probed(False)) == []
    assert modem.waits() == [Probe()]
    modem.says(Probed(True))
    assert modem.exchange.idle


def test_a_late_answer_ends_the_wait_and_settles_the_message(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.says(Probed(False))
    assert modem.says(late(7)) == [LateAnswer(SHORT, Receipt((7,))), Synchronise()]
    modem.says(Synchronised())
    assert modem.exchange.idle


def test_an_answer_during_the_probe_settles_the_message(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.says(at.Notice("+CMS ERROR", "+CMS ERROR: 42"))
    assert [type(each) for each in modem.settled()] == [Deferred]
    assert modem.says(Probed(False)) == [Synchronise()]


def test_when_no_answer_can_come_any_more_the_next_message_can_go(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.exchange.handle(Probed(False), modem.now)
    modem.now = 1000.0 + TIMING.listen
    assert modem.says(Due()) == [Synchronise()]


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(modem: Modem) -> None:
    modem.loses_answer()
    modem.now += TIMING.listen
    modem.given(SHORT, *ACCEPTED, cms(42))
    assert type(modem.result()) is Deferred
    assert modem.says(late(0)) == []
    modem.sends(1)


def test_an_error_that_is_no_result_ends_the_wait_without_news(modem: Modem) -> None:
    modem.loses_answer()
    assert modem.says(at.Notice("+CMS ERROR", "+CMS ERRORS")) == []
    modem.given(SHORT, *ACCEPTED, reference(8), OK)
    assert modem.result() == Receipt((8,))


# --- two messages and one answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize("final", [OK, cms(42)])
def test_an_older_messages_result_before_the_prompt_is_not_the_new_ones(modem: Modem, final: at.Final) -> None:
    modem.loses_answer()
    modem.given(SHORT, OFFERED)
    if final.ok:
        modem.says(reference("x"), reference(7))
        assert modem.settled() == [Receipt((7,))]
    assert modem.says(final)[-1:] == [sending_interface.ExpectPrompt()]
    modem.says(PROMPT, BodyWritten(), reference(8), OK)
    assert modem.result() == Receipt((8,))


def test_a_modem_that_may_be_busy_with_an_older_message_has_not_failed_of_its_own(modem: Modem) -> None:
    modem.loses_answer()
    for _ in range(STUCK_AFTER):
        modem.given(SHORT, OFFERED, cms(500))
        modem.says(Synchronised())
        assert type(modem.result()) is Unavailable
        modem.given(SHORT, OFFERED)
        modem.waits(5.0)
        modem.says(Synchronised())
    assert not modem.exchange.errors.stuck


def test_of_two_answers_the_first_is_the_older_messages(modem: Modem) -> None:
    modem.loses_answer()
    assert modem.given(SHORT, *ACCEPTED, reference(7), OK)[-1:] == [Submit()]
    assert modem.says(late(8)) == [LateAnswer(SHORT, Receipt((7,))), Ended(Receipt((8,)))]


@pytest.mark.parametrize("number", [8, 7], ids=["skips the older one's", "is the older one's"])
def test_the_count_decides_whose_reference_it_is(modem: Modem, number: int) -> None:
    """One message is enough; there used to be two needed, so that an answer that was lost early cost three minutes."""
    modem.sends(6)
    modem.loses_answer()
    modem.given(SHORT, *ACCEPTED, reference(number), OK)
    assert (Ended(Receipt((8,))) in modem.out) == (number == 8)


def test_a_report_decides_whose_reference_it_is(modem: Modem) -> None:
    modem.loses_answer(Sms(OTHER, "x", 300))
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    modem.says(report(9))
    assert not any(isinstance(output, Ended) for output in modem.out)
    modem.says(report(7))
    assert modem.result() == Receipt((7,))


def test_once_a_report_gives_the_answer_to_the_older_message_the_newer_one_is_waited_for(modem: Modem) -> None:
    modem.loses_answer(Sms(OTHER, "x", 300))
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    modem.says(report(7, OTHER))
    assert modem.settled() == [Receipt((7,))]
    modem.waits()
    assert str(modem.result()).startswith("no answer")


def passes_over(modem: Modem) -> None:
    """It loses an answer, and gives the next one, with the reference behind the lost one's."""
    modem.sends(4)
    modem.loses_answer(Sms(OTHER, "x", 300))
    modem.given(SHORT, *ACCEPTED, reference(6), OK)
    assert modem.result() == Receipt((6,))


# Such an answer used to be taken for that of the message under way, which then counted as sent whatever became of it.
@pytest.mark.parametrize("behind", [(OK,), ()], ids=["with OK", "without OK"])
@pytest.mark.parametrize("result", [(reference(7), OK), (cms(38),)], ids=["taken", "not taken"])
def test_a_reference_that_was_passed_over_is_the_older_messages(
    modem: Modem, behind: tuple[Event, ...], result: tuple[Event, ...]
) -> None:
    passes_over(modem)
    modem.given(SHORT, *ACCEPTED)
    modem.says(reference(5), *behind)
    assert modem.settled() == [Receipt((5,))]
    assert (sending_interface.ExpectResult() in modem.out) == bool(behind)
    modem.says(*result)
    assert modem.result() == Receipt((7,)) if len(result) > 1 else isinstance(modem.result(), Deferred)


def test_a_reference_that_was_passed_over_is_believed_once_also_between_messages_and_behind_ok(modem: Modem) -> None:
    passes_over(modem)
    modem.says(late(5))
    assert modem.settled() == [Receipt((5,))]
    assert modem.says(late(5)) == []
    passes_over(other := Modem())
    other.given(SHORT, *ACCEPTED, OK)
    assert isinstance(other.says(late(5))[0], LateAnswer)
    assert other.says(late(7)) == []
    other.waits()
    assert other.result() == Receipt((7,))


def test_what_a_report_passes_over_has_the_reference_before(modem: Modem) -> None:
    modem.loses_answer(Sms(OTHER, "x", 300))
    modem.given(SHORT, *ACCEPTED, reference(0), OK)
    modem.says(report(0))
    assert modem.result() == Receipt((0,))
    modem.given(SHORT, *ACCEPTED, reference(255), OK, reference(1), OK)
    assert modem.settled() == [Receipt((255,))]
    assert modem.result() == Receipt((1,))


def test_a_part_that_was_passed_over_says_nothing_of_the_whole_message(modem: Modem) -> None:
    modem.sends(4)
    modem.loses_answer(LONG)
    modem.given(SHORT, *ACCEPTED, reference(6), OK)
    assert modem.says(late(5)) == []


def test_a_repeated_or_unreadable_reference_was_not_passed_over(modem: Modem) -> None:
    passes_over(modem)
    modem.given(SHORT, *ACCEPTED, reference("?"), reference(7), OK)
    assert modem.result() == Receipt((7,))
    assert modem.says(late(6)) == []


def test_an_ambiguous_answer_is_nobodys_until_something_decides(modem: Modem) -> None:
    modem.loses_answer(Sms(OTHER, "x", 300))
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    submitted = modem.now
    modem.waits()
    assert "older message" in str(modem.result())
    assert modem.says(Probed(True)) == []
    assert not modem.exchange.idle
    assert modem.says(report(9)) == [StatusReport(9, NUMBER, Delivery.DELIVERED, 0)]
    modem.says(late(8))
    assert modem.settled() == [Receipt((7,)), Receipt((8,))]
    assert modem.out[-1] == Synchronise()
    assert modem.now < submitted + TIMING.listen


def test_an_ambiguous_answer_is_given_up_with_the_last_that_can_come(modem: Modem) -> None:
    modem.loses_answer()
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    submitted = modem.now
    modem.waits()
    while modem.out[-1] == Probe():
        modem.says(Probed(True))
        modem.waits()
    assert modem.out == [Synchronise()]
    assert modem.now == submitted + TIMING.listen


def test_what_decides_during_a_probe_is_not_waited_for_any_more(modem: Modem) -> None:
    modem.loses_answer(Sms(OTHER, "x", 300))
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    modem.waits()
    modem.says(late(8))
    assert modem.settled() == [Receipt((7,)), Receipt((8,))]
    modem.says(Probed(True))
    assert modem.exchange.idle


def test_a_modem_that_falls_silent_while_an_answer_is_ambiguous_is_mute() -> None:
    """It used to be asked nothing then, so that its power was cut after four minutes."""
    modem = Modem("+CMEE: 1")
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.says(at.Aside("+CMEE: 1"), reference(200), OK)  # it answers while the network has a message
    modem.loses_answer()
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    submitted = modem.now
    while Mute() not in modem.out and modem.now < submitted + TIMING.listen:
        modem.waits()
        if modem.out[-1:] == [Probe()]:
            modem.now += TIMING.probe
            modem.says(Probed(False))
    assert Mute() in modem.out
    assert modem.now < submitted + 60.0


def test_a_modem_that_answers_while_an_answer_is_ambiguous_is_not_mute() -> None:
    modem = Modem("+CMEE: 1")
    modem.loses_answer()
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    modem.waits()
    for each in range(200):
        assert Mute() not in modem.says(Probed(each % 4 == 0))
        if not isinstance(modem.waits()[-1], Probe):
            break
    assert modem.out == [Synchronise()]


def test_an_ambiguity_does_not_outlive_a_restart(modem: Modem) -> None:
    modem.loses_answer()
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    modem.says(SessionEnded("the modem was lost"))
    assert isinstance(modem.result(), Uncertain)
    modem.says(sending_interface.ModemRestarted())
    modem.given(SHORT, *ACCEPTED, reference(9), OK)
    assert modem.result() == Receipt((9,))


def test_what_is_undecided_at_a_sessions_end_holds_the_next_message(modem: Modem) -> None:
    """It used to be forgotten, so that the second answer was the next message's."""
    other = Sms(OTHER, "x", 300)
    modem.loses_answer(other)
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    modem.says(SessionEnded("silent"), SessionBegan())
    assert modem.given(Sms(OTHER, "y", 300))[-1] == Probe()
    assert (type(modem.result()), str(modem.result())) == (Unavailable, HELD)
    modem.says(Probed(True))
    assert not modem.exchange.idle
    assert modem.says(late(8)) == [LateAnswer(other, Receipt((7,))), LateAnswer(SHORT, Receipt((8,))), Synchronise()]


@pytest.mark.parametrize("said", [(), (reference(7),)], ids=["nothing", "a reference that may be the older one's"])
def test_a_message_on_the_wire_at_a_sessions_end_is_owed_like_the_older_one(
    modem: Modem, said: tuple[Event, ...]
) -> None:
    """Its late answer used to be the older message's, or the next one's; the older one's reference used to be its."""
    older, newer = Sms(OTHER, "x", 300), Sms(OTHER, "y", 300)
    modem.loses_answer(older)
    modem.given(newer, *ACCEPTED, *said)
    modem.says(SessionEnded("silent"))
    assert isinstance(modem.result(), Uncertain)
    modem.says(SessionBegan())
    answers = modem.says(*[late(number) for number in (7, 8)[len(said) :]])
    assert answers == [LateAnswer(older, Receipt((7,))), LateAnswer(newer, Receipt((8,)))]


def test_one_unanswered_message_outlives_a_session(modem: Modem) -> None:
    modem.loses_answer()
    modem.says(SessionEnded("silent"), SessionBegan())
    modem.says(late(7))
    assert modem.settled() == [Receipt((7,))]


# The next message used to be held up for up to three minutes by an answer that could not come any more.
@pytest.mark.parametrize("answers", [True, False], ids=["answers the query, too", "answers only the probe"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "shows it in the next message"])
def test_a_modem_that_answers_in_order_owes_nothing_once_it_answers_a_probe(answers: bool, known: bool) -> None:
    modem = Modem("+CMEE: 1")
    if known:
        modem.given(SHORT, *ACCEPTED)
        modem.waits()
        modem.now += SLOWEST_ANSWER_S
        modem.says(reference(250), OK)  # it waits for the network
    modem.loses_answer(answers=answers)
    modem.given(SHORT, *ACCEPTED)
    modem.waits(8.0)
    modem.now += SLOWEST_ANSWER_S
    modem.says(reference(4), OK)
    assert modem.result() == Receipt((4,))


def test_a_modem_that_answers_in_order_is_not_held_by_what_it_has_passed() -> None:
    modem = Modem("+CMEE: 1")
    modem.given(SHORT, *ACCEPTED)
    modem.waits()
    modem.now += SLOWEST_ANSWER_S
    modem.says(reference(250), OK)  # it waits for the network
    modem.sends(3)  # and does not count
    for _ in range(2):
        modem.loses_answer(answers=False)


def test_a_modem_that_does_not_count_is_held_after_two_messages_and_then_restarted(modem: Modem) -> None:
    modem.loses_answer()
    modem.given(Sms(OTHER, "x", 300), *ACCEPTED)
    modem.waits()
    held_at = modem.now
    while modem.out[-1:] == [Probe()]:
        assert not modem.exchange.errors.stuck
        if modem.says(Probed(True)) == [] and modem.exchange.idle:
            break
        modem.waits()
    assert modem.exchange.errors.stuck
    assert held_at + TIMING.answer <= modem.now < held_at + TIMING.answer + 5.0


def test_what_an_earlier_run_left_is_answered_late_unless_it_is_too_long_ago_or_has_several_parts(modem: Modem) -> None:
    left = [
        LeftBehind(Sms(OTHER, "x", 300), TIMING.listen),
        LeftBehind(SHORT, 20.0),
        LeftBehind(Sms("1", "x", 300), 5.0),
    ]
    assert modem.says(*left) == []
    assert modem.says(late(7)) == [LateAnswer(SHORT, Receipt((7,)))]
    modem.says(LeftBehind(LONG, 5.0))
    assert modem.says(late(8)) == []
    modem.sends(9)


@pytest.mark.parametrize(("text", "alone"), [("x", True), ("x", False), ("x" * 200, True)])
def test_a_report_of_the_only_message_that_an_earlier_run_left_makes_way_for_the_next(
    modem: Modem, text: str, *, alone: bool
) -> None:
    """It used to be uncertain, and the modem to be held for 180 s, if the next message had no report."""
    modem.says(LeftBehind(Sms(OTHER, text, 300), 5.0, alone))
    modem.says(sending_interface.Reported(StatusReport(7, OTHER, Delivery.DELIVERED, 0)))
    modem.given(SHORT, *ACCEPTED, reference(8), OK)
    decided = alone and len(text) == 1
    assert modem.exchange.idle is decided
    ended = [each for each in modem.out if isinstance(each, Ended)]
    assert ended == ([Ended(Receipt((8,)))] if decided else [])


def test_what_an_earlier_run_left_may_have_the_next_messages_answer(modem: Modem) -> None:
    modem.says(LeftBehind(Sms(OTHER, "x", 300), 5.0))
    modem.given(SHORT, *ACCEPTED, reference(7), OK)
    assert modem.says(report(7)) == [StatusReport(7, NUMBER, Delivery.DELIVERED, 0), Ended(Receipt((7,)))]


# --- storage, reports, what does not work ---------------------------------------------------------------------------


def test_a_storage_that_stays_full_of_what_is_not_ours_says_so(modem: Modem) -> None:
    modem.given(SHORT, *ACCEPTED, cms(322))
    assert modem.exchange.errors.storage_full
    assert CRAMMED not in str(modem.result())
    modem.says(sending_interface.StorageEmptied(made_room=False))
    assert not modem.exchange.errors.storage_full
    modem.given(SHORT, *ACCEPTED, cms(322))
    assert CRAMMED in str(modem.result())
    modem.says(sending_interface.StorageEmptied(made_room=True))
    modem.given(SHORT, *ACCEPTED, cms(322))
    assert CRAMMED not in str(modem.result())


def test_reports_that_are_quicker_than_the_last_answer_come_before_the_receipt(modem: Modem) -> None:
    modem.given(LONG, *ACCEPTED, reference(1), OK, *ACCEPTED, reference(2), OK, *ACCEPTED)
    assert modem.says(report(1), report(2), report(3)) == []
    modem.says(reference(3), OK)
    assert [type(output) for output in modem.out] == [StatusReport, Ended]


# --- whatever a modem says ------------------------------------------------------------------------------------------

FINALS = st.sampled_from(
    [OK, ERROR, *(cms(code) for code in error_causes.CMS), at.Final(ResultKind.CME, 30), at.Final(ResultKind.CMS)]
)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    FINALS,
    st.sampled_from([PROMPT, at.Aside("+CMEE: 1"), at.Aside("+CMEE: 0"), Due(), report(1), report(2, OTHER)]),
    st.integers(0, 4).map(reference),
    st.integers(0, 4).map(late),
    st.sampled_from([42, 1, 332]).map(lambda code: at.Notice("+CMS ERROR", f"+CMS ERROR: {code}")),
    st.just(SessionEnded("lost")),
)


@given(st.lists(ANYTHING, max_size=60), st.lists(st.sampled_from([SHORT, LONG, Sms(OTHER, "y", 60)]), max_size=5))
def test_whatever_comes_each_message_ends_once_and_a_receipt_has_all_its_parts(
    said: list[Event], messages: list[Sms]
) -> None:
    modem = Modem("+CMEE: 1")
    ended: list[Ended] = []

    def carry_out(event: Event) -> None:
        for output in modem.exchange.handle(event, modem.now):
            match output:
                case Ended():
                    ended.append(output)
                case Offer():
                    carry_out(Offered(5.0))
                case Body():
                    carry_out(BodyWritten())
                case Probe():
                    carry_out(Probed(modem.now % 2 < 1))
                case Synchronise():
                    carry_out(Synchronised())
                case Mute():
                    carry_out(SessionEnded("mute"))

    for sms in messages:
        before = len(ended)
        carry_out(Given(sms, modem.settings))
        while not modem.exchange.idle:
            event = said.pop() if said else SessionEnded("lost")
            modem.now = min(modem.exchange.due, modem.now + 50) if isinstance(event, Due) else modem.now + 0.5
            carry_out(event)
        assert len(ended) == before + 1
        if isinstance(ended[-1].result, Receipt):
            assert len(ended[-1].result.references) == (3 if sms is LONG else 1)
