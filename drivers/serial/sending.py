"""The exchange of messages with a modem, from AT+CMGS to the network's answer (3GPP 27.005 3.5.1), also late. Pure.

Events go in, with the time; orders for the thread and news come out. One rule keeps people from getting an SMS twice:
before Ctrl-Z a failure is `Unavailable` and safe to repeat; after it, only the modem's own words make it anything but
`Uncertain`. An answer that comes later becomes a `LateAnswer`.
"""

import contextlib
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from drivers import DriverError, LeftBehind, Receipt, Refused, Sms, StatusReport, Unavailable, Uncertain
from drivers.serial import at, error_causes, pdu, sending_interface
from drivers.serial.error_causes import ResultKind
from drivers.serial.error_results import ErrorResults
from drivers.serial.late_answers import LateAnswers
from drivers.serial.network_answer import NetworkAnswer, Result
from drivers.serial.reports import Message, Reports
from drivers.serial.restart_signs import Settings
from drivers.serial.sending_interface import Due, Ended, Given, Output, Synchronise
from drivers.serial.timing import Timing
from drivers.serial.whose_answer import Answer

HELD = "listening for the answers to older messages; they may have been sent"


class Phase(Enum):
    """What the exchange waits for."""

    IDLE = auto()  # a message
    OFFERING = auto()  # `Offered`
    OFFERED = auto()  # the prompt
    WRITING = auto()  # `BodyWritten`
    NOT_OFFERED = auto()  # `Synchronised`, behind a message for which no prompt came
    ON_WIRE = auto()  # the network's answer
    AMBIGUOUS = auto()  # what decides to which of two messages the answer belongs
    LISTENING = auto()  # a late answer, or the time to ask whether the modem is free again
    PROBING = auto()  # `Probed`
    FREE = auto()  # `Synchronised`, after which the next message can go


@dataclass(slots=True)
class Outgoing:
    """The message under way. older: how many older messages' results may still come before the prompt.

    failure: what it ends in once the modem is in step again; older_ok: the last line was an older message's reference,
    behind which its OK comes.
    """

    sms: Sms
    message: Message
    parts: list[pdu.SubmitPdu]
    settings: Settings
    older: int = 0
    older_ok: bool = False
    failure: DriverError | None = field(default=None, repr=False)

    @property
    def part(self) -> pdu.SubmitPdu:
        """The one that is to be sent."""
        return self.parts[len(self.message.references)]


class Exchange:
    """One modem's, over all its sessions. `due`: when `Due` is to come. Times are monotonic seconds."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._late = LateAnswers()
        self._reports = Reports()
        self.errors = ErrorResults()
        self._answer = NetworkAnswer(timing, self.errors.refusal)
        self._concatenation = 0
        self._phase = Phase.IDLE
        self._due = float("inf")
        self._outgoing: Outgoing | None = None
        self._fails_at = float("inf")  # unless the next message could go before

    # --- how it stands ---

    @property
    def idle(self) -> bool:
        """Whether the next message can be given."""
        return self._phase is Phase.IDLE

    @property
    def due(self) -> float:
        return self._answer.due if self._phase is Phase.ON_WIRE else self._due

    # --- events ---

    def handle(self, event: sending_interface.Event, now: float) -> list[Output]:
        """Raises at.Malformed of a notice that cannot be read; nothing has changed then."""
        match event:
            case Given():
                return self._given(event, now)
            case at.Notice():
                return self._notice(event, now)
            case sending_interface.Reported():
                return self._reported(event.report, now)
            case LeftBehind():
                _owe(event, self._late, self._reports, now - event.age_s + self._timing.listen)
            case sending_interface.SessionBegan():
                self.errors.works()
                self._answer.new_session()
            case sending_interface.SessionEnded():
                return self._session_ended(event.why, now)
            case sending_interface.ModemRestarted():
                self._late.forget()
            case sending_interface.StorageEmptied():
                self.errors.storage_emptied(made_room=event.made_room)
            case _:
                return self._step(event, now)
        return []

    def _step(self, event: sending_interface.Event, now: float) -> list[Output]:
        """An event of the message under way. What is not listed changes nothing."""
        match self._phase, event:
            case Phase.OFFERING, sending_interface.Offered():
                self._phase, self._due = Phase.OFFERED, now + event.prompt_s
            case Phase.OFFERED, at.Prompt() | at.Answer() | at.Final() | Due():
                return self._until_prompt(event, now)
            case Phase.WRITING, sending_interface.BodyWritten():
                return self._submit(now)
            case Phase.NOT_OFFERED, sending_interface.Synchronised():
                assert self._outgoing is not None
                assert self._outgoing.failure is not None
                return self._fail(self._outgoing.failure)
            case Phase.ON_WIRE, at.Answer() | at.Final() | at.Aside() | Due():
                return self._on_wire(event, now)
            case Phase.AMBIGUOUS, Due():
                return self._result(None, now)
            case Phase.LISTENING, Due():
                return self._listen(now)
            case Phase.PROBING, sending_interface.Probed():
                return self._probed(event.in_step, now)
            case Phase.FREE, sending_interface.Synchronised():
                self._phase = Phase.IDLE
        return []

    # --- sessions ---

    def _session_ended(self, why: str, now: float) -> list[Output]:
        """A part whose reference has come was taken by the network, though the OK behind it is missing."""
        outgoing, phase = self._outgoing, self._phase
        self._phase = Phase.IDLE
        if outgoing is None:
            return []
        if phase not in (Phase.ON_WIRE, Phase.AMBIGUOUS):
            return self._fail(Unavailable(why))
        settled: list[Output] = []
        if phase is Phase.ON_WIRE and self._answer.reference is not None:
            settled += self._late.answered(self._answer.reference, now)
        if not isinstance(self._late.own, int):
            self._late.unanswered()
            return [*settled, *self._fail(Uncertain(why))]
        outgoing.message.references.append(self._late.own)
        complete = len(outgoing.message.references) == outgoing.message.parts
        return [*settled, *(self._sent(outgoing) if complete else self._fail(Unavailable(why)))]

    # --- up to the prompt ---

    def _given(self, given: Given, now: float) -> list[Output]:
        if self._late.holds(now):
            return [Ended(Unavailable(HELD), listening=True), *self._listen(now)]
        self._concatenation = (self._concatenation + 1) & 0xFF
        try:
            parts = pdu.encode_submit(given.sms, self._concatenation)
        except pdu.PduError as exc:
            return [Ended(Refused(str(exc)))]
        message = self._reports.begin(given.sms.number, len(parts))
        self._outgoing = Outgoing(given.sms, message, parts, given.settings)
        return self._offer(self._outgoing, now)

    def _offer(self, outgoing: Outgoing, now: float) -> list[Output]:
        outgoing.older = self._late.expected(now)
        self._phase = Phase.OFFERING
        return [sending_interface.Offer(outgoing.part.length)]

    def _until_prompt(self, event: at.Prompt | at.Answer | at.Final | Due, now: float) -> list[Output]:
        """Nothing has been sent yet."""
        outgoing = self._outgoing
        assert outgoing is not None
        match event:
            case at.Prompt():
                self._phase = Phase.WRITING
                return [sending_interface.Body(outgoing.part.hex)]
            case at.Answer():  # before the prompt it is an older message's
                reference = _reference(event)
                return [] if reference is None else [*self._late.late(reference, now)]
            case at.Final() if outgoing.older and (event.ok or _of_network(event)):
                outgoing.older -= 1
                settled = [] if event.ok else self._late.late(self.errors.refusal(event), now)
                return [*settled, sending_interface.ExpectPrompt()]
            case at.Final():
                return self._not_offered(outgoing, self.errors.not_offered(event, busy=self._late.expected(now) > 0))
            case Due():
                return self._not_offered(outgoing, self.errors.no_prompt(busy=self._late.expected(now) > 0), late=True)
            case _:
                assert_never(event)

    def _not_offered(self, outgoing: Outgoing, why: Unavailable, *, late: bool = False) -> list[Output]:
        self._phase, outgoing.failure = Phase.NOT_OFFERED, why
        return [Synchronise(always=True, no_prompt=late)]  # the modem may be about to prompt

    # --- from Ctrl-Z to the answer ---

    def _submit(self, now: float) -> list[Output]:
        outgoing = self._outgoing
        assert outgoing is not None
        outgoing.older_ok = False
        self._late.submitted(outgoing.sms, outgoing.message, now + self._timing.listen)
        self._phase = Phase.ON_WIRE
        self._answer.begin(outgoing.settings, now)
        return [sending_interface.Submit()]

    def _on_wire(self, event: at.Event | Due, now: float) -> list[Output]:
        assert self._outgoing is not None
        found = _older_result(self._outgoing, self._late, event, now)
        if found is not None:
            return found
        found = []
        for each in self._answer.handle(event, now):
            found += self._result(each.answer, now) if isinstance(each, Result) else [each]
        return found

    def _result(self, answer: Answer | None, now: float) -> list[Output]:
        """What the network, or the modem, says of the part on the wire."""
        if answer is None and self._late.undecided:
            return self._unanswered("an answer came that may be an older message's", now)
        if answer is None:
            self.errors.unanswered()
            return self._unanswered(self._answer.missing, now)
        if self._answer.attention.in_order:
            self._late.in_order()
        settled = self._late.answered(answer, now)
        if self._late.own is None:
            self._phase, self._due = Phase.AMBIGUOUS, now + self._timing.answer
            return [*settled]
        return [*settled, *self._own_result(self._late.own, now)]

    def _own_result(self, answer: Answer, now: float) -> list[Output]:
        outgoing = self._outgoing
        assert outgoing is not None
        if isinstance(answer, DriverError):
            return self._fail(answer)
        outgoing.message.references.append(answer)
        more = len(outgoing.message.references) < outgoing.message.parts
        return self._offer(outgoing, now) if more else self._sent(outgoing)

    def _unanswered(self, why: str, now: float) -> list[Output]:
        self._late.unanswered()
        self._fails_at = now + self._timing.answer
        return [*self._fail(Uncertain(why), listening=True), *self._listen(now)]

    # --- the message's end ---

    def _sent(self, outgoing: Outgoing) -> list[Output]:
        self.errors.sent()
        early = self._reports.sent(outgoing.message)
        self._phase, self._outgoing = Phase.IDLE, None
        ended = Ended(Receipt(tuple(outgoing.message.references)))
        return [ended] if early is None else [early, ended]

    def _fail(self, why: DriverError, *, listening: bool = False) -> list[Output]:
        outgoing = self._outgoing
        assert outgoing is not None
        self._phase, self._outgoing = Phase.IDLE, None
        sent, parts = len(outgoing.message.references), outgoing.message.parts
        if isinstance(why, Uncertain):
            why.parts += sent
        elif sent:
            why = Uncertain(f"{sent} of {parts} parts were sent, then: {why}", sent)
        else:
            self._reports.unsent(outgoing.message)
        return [Ended(why, listening)]

    # --- after a message that was not answered ---

    def _listen(self, now: float) -> list[Output]:
        """Until no answer can come any more, or the modem answers a probe: then the next message can go, unless
        its answer could be taken for one of those that are owed. The modem may fall silent meanwhile, too.
        """
        self._phase = Phase.PROBING if self._late.expected(now) else Phase.FREE
        return [sending_interface.Probe() if self._phase is Phase.PROBING else Synchronise()]

    def _probed(self, in_step: bool, now: float) -> list[Output]:
        attention = self._answer.attention
        if in_step:
            self._late.passed()
            if attention.in_order and self._late.holds(now):
                self._late.in_order()
            if self._is_free(now):
                self._phase = Phase.IDLE
                return []
        if not self._late.expected(now):  # it was answered during the probe
            return self._listen(now)
        self._phase = Phase.LISTENING
        if in_step:
            attention.alive(now)
            self._due = min(now + self._timing.attention.every, self._late.until)
            return []
        attention.asked(now)
        self._due = now + self._timing.busy
        return [sending_interface.Mute()] if attention.mute(now) else []

    def _is_free(self, now: float) -> bool:
        """Of a modem that answers: whether the next message can go, or the modem is to be restarted.

        Held for as long as another message would have waited, it has failed once more.
        """
        held = self._late.holds(now)
        if held and not self._late.undecided and now >= self._fails_at:
            self._fails_at = float("inf")
            self.errors.unanswered()
        return not held or self.errors.stuck

    # --- what the modem says by itself ---

    def _notice(self, notice: at.Notice, now: float) -> list[Output]:
        """+CMGS or +CMS ERROR, to no command under way."""
        if notice.name == at.MESSAGE_REFERENCE:
            reference = at.message_reference(notice.text)
            self.errors.works()
            mine = not self._late.is_anothers(reference) and self._answer.unasked(reference, now)
            settled = [] if mine else self._late.late(reference, now)
        else:
            final = at.parse_final(notice.text)
            settled = self._late.late(self.errors.refusal(final) if final is not None else None, now)
        return [*settled, *self._news_of_older(now)]

    def _reported(self, report: StatusReport, now: float) -> list[Output]:
        """What it says of its whole message, with the recipient in full."""
        report = self._reports.in_full(report)
        settled = [] if self._reports.knows(report) else self._late.reported(report)
        whole = self._reports.whole(report)
        return [*settled, *([] if whole is None else [whole]), *self._news_of_older(now)]

    def _news_of_older(self, now: float) -> list[Output]:
        """Whether it ends a wait."""
        if self._phase is Phase.AMBIGUOUS and self._late.own is not None:
            return self._own_result(self._late.own, now)
        return self._listen(now) if self._phase is Phase.LISTENING and not self._late.expected(now) else []


def _owe(left: LeftBehind, late: LateAnswers, reports: Reports, until: float) -> None:
    """Which of its parts the modem had is not known; so of several nothing is said."""
    with contextlib.suppress(pdu.PduError):
        parts = len(pdu.encode_submit(left.sms, 0))
        late.submitted(left.sms, reports.begin(left.sms.number, parts), until, alone=left.alone and parts == 1)
        late.unanswered()


def _older_result(outgoing: Outgoing, late: LateAnswers, event: at.Event | Due, now: float) -> list[Output] | None:
    """A reference that cannot be that of the message on the wire, and the OK behind it; None for all else."""
    match event:
        case at.Answer():
            reference = _reference(event)
            outgoing.older_ok = reference is not None and late.is_anothers(reference)
            return [*late.late(reference, now)] if outgoing.older_ok else None
        case at.Final() if outgoing.older_ok:
            outgoing.older_ok = False
            return [sending_interface.ExpectResult()] if event.ok else None
    return None


def _reference(answer: at.Answer) -> int | None:
    """None where it cannot be read."""
    with contextlib.suppress(at.Malformed):
        return at.message_reference(answer.text)
    return None


def _of_network(final: at.Final) -> bool:
    """Whether it is the network that refuses a message, not the modem that refuses a command."""
    return final.kind is ResultKind.CMS and (final.code or 0) < error_causes.OF_MODEM
