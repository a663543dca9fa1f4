"""One message at a time, from AT+CMGS to the network's answer (3GPP 27.005 3.5.1), and what becomes of late answers.

The rule that keeps people from getting an SMS twice: before Ctrl-Z a failure is `Unavailable` and safe to repeat; after
it, only the modem's own words make it anything but `Uncertain`. What is said too late is told as a `LateAnswer`.
"""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future

from drivers import Deferred, DriverError, LateAnswer, Receipt, Refused, Sms, StatusReport, Unavailable, Uncertain
from drivers.serial import at, causes, pdu
from drivers.serial.causes import Verdict
from drivers.serial.late_answers import Outstanding
from drivers.serial.line import Line, Silent
from drivers.serial.modem import Modem
from drivers.serial.network_answer import NetworkAnswer
from drivers.serial.reports import Absence, Message, Reports
from drivers.serial.storage import Storage
from drivers.serial.timing import Timing
from drivers.serial.whose_answer import Answer

STUCK_AFTER = 3  # failures in a row that are the modem's own
INVALID_PDU = 304  # mode parameter
OWN_FAILURES = frozenset({300, INVALID_PDU, 320})  # ME failure, memory failure
STORAGE_FULL = frozenset({20, 208, 211, 322})  # of +CME ERROR and +CMS ERROR
CRAMMED = "; what the SIM holds is nothing that came for us: delete its messages and drafts in a phone"

KINDS: dict[Verdict, Callable[[str], DriverError]] = {
    Verdict.REFUSED: Refused,
    Verdict.DEFERRED: Deferred,
    Verdict.LATER: Unavailable,
    Verdict.UNCERTAIN: Uncertain,
}


class Sender:
    """One modem's, over all its sessions. tell: hears late answers, early reports. What ends a session ends `send`."""

    def __init__(self, timing: Timing, storage: Storage, tell: Callable[[LateAnswer | StatusReport], object]) -> None:
        self._timing = timing
        self._storage = storage
        self._tell = tell
        self._outstanding = Outstanding(tell)
        self._reports = Reports()
        self._absence = Absence()
        self._concatenation = 0
        self._own_failures = 0
        self._answer = NetworkAnswer(timing, self._refusal)
        self._full = self._crammed = False  # the storage, by the modem's word; also after it was emptied
        self.on_wire = False  # the message under way may have gone out

    # --- sessions ---

    def begin(self) -> None:
        """A new session. A doubt does not outlive one; what else the modem owes may."""
        self._own_failures = 0
        self._answer.new_session()
        if self._outstanding.doubt is not None:
            self._outstanding.forget()

    def forget(self) -> None:
        """The modem, or its power, has started anew: it owes nothing any more."""
        self._outstanding.forget()

    @property
    def stuck(self) -> bool:
        """Message after message has failed for a reason of the modem's own."""
        return self._own_failures >= STUCK_AFTER

    def remarks(self) -> tuple[str, ...]:
        """What does not work, though messages are sent."""
        absence = self._absence.remark(time.monotonic())
        return (absence,) if absence else ()

    def busy_with(self, sms: Sms) -> bool:
        """Whether the modem may still answer this message, and with it nothing else."""
        return self._outstanding.is_for(sms)

    # --- one message ---

    def send(self, modem: Modem, sms: Sms) -> Receipt:
        """Every part of a message. Raises Refused, Deferred, Unavailable, Uncertain, and what ends a session."""
        self.on_wire = False
        self._concatenation = (self._concatenation + 1) & 0xFF
        try:
            parts = pdu.encode_submit(sms, self._concatenation)
        except pdu.PduError as exc:
            raise Refused(str(exc)) from None
        message = self._reports.begin(sms.number, len(parts))
        try:
            for part in parts:
                self._offer(modem, part)
                message.references.append(self._result(modem, sms, message))
        except Uncertain as exc:
            exc.parts += len(message.references)
            raise
        except (Refused, Unavailable) as exc:
            sent = len(message.references)
            if sent:
                raise Uncertain(f"{sent} of {len(parts)} parts were sent, then: {exc}", sent) from None
            self._reports.unsent(message)
            raise
        self._own_failures, self._crammed = 0, False
        self._absence.sent(time.monotonic())
        early = self._reports.sent(message)
        if early is not None:
            self._tell(early)
        return Receipt(tuple(message.references))

    def _offer(self, modem: Modem, part: pdu.SubmitPdu) -> None:
        """AT+CMGS up to the end of the body; nothing has been sent yet."""
        older = self._outstanding.any(time.monotonic())
        modem.dialogue.offer(f"AT+CMGS={part.length}", at.MESSAGE_REFERENCE)
        deadline = time.monotonic() + modem.dialogue.prompt_s
        while not isinstance(event := modem.line.next(deadline), at.Prompt):
            if isinstance(event, at.Answer):  # before the prompt it is an older message's
                with contextlib.suppress(at.Malformed):
                    self._outstanding.answered(at.message_reference(event.text))
            elif isinstance(event, at.Final) and older and (event.ok or _of_network(event)):
                if not event.ok:
                    self._outstanding.answered(self._refusal(event))
                older = False
                modem.line.expect(at.MESSAGE_REFERENCE, prompt=True)
            elif isinstance(event, at.Final):
                raise self._not_offered(modem, event)
            elif event is None:
                self._own_failures += not self._outstanding.any(time.monotonic())  # else it may be busy with that
                modem.dialogue.no_prompt()
                raise Unavailable("the modem gave no prompt for the message")
        modem.line.body(part.hex)

    def _not_offered(self, modem: Modem, final: at.Final) -> Unavailable:
        """Why there is no prompt: the network has not seen the message. A modem may dislike its length for ever."""
        modem.dialogue.regain()  # it may be about to prompt
        self._own_failures += final.ok
        refusal = self._refusal(final) if not final.ok else "OK instead of a prompt"
        always = final.code == INVALID_PDU and not self._outstanding.any(time.monotonic())
        return refusal if isinstance(refusal, Unavailable) and always else Unavailable(str(refusal))

    def _result(self, modem: Modem, sms: Sms, message: Message) -> int:
        """Ctrl-Z, and what the network said: the message reference (TP-MR)."""
        self.on_wire = True
        modem.dialogue.submit()
        sent_at = time.monotonic()
        answer = self._answer.wait(modem, sent_at + self._timing.answer)
        if answer is None:
            modem.dialogue.give_up(at.MESSAGE_REFERENCE)
        elif self._outstanding.any(time.monotonic()):
            answer = self._own(modem.line, sms, answer)
        if answer is None:
            self._outstanding.add(sms, message, sent_at + self._timing.listen)
            if self._outstanding.doubt is not None:
                raise Uncertain("an answer came that may be an older message's")
            self._own_failures += 1
            raise Uncertain(self._answer.missing)
        self._outstanding.told(answer)
        if isinstance(answer, DriverError):
            raise answer
        return answer

    def _own(self, line: Line, sms: Sms, first: Answer) -> Answer | None:
        """The message's own answer, when the first may be an older one's; None: it is not known, or has not come."""
        self._outstanding.dispute(sms, first)
        self._listen(line, time.monotonic() + self._timing.answer)
        return self._outstanding.decide()

    def _listen(self, line: Line, deadline: float) -> None:
        """For what solves a doubt."""
        doubt = self._outstanding.doubt
        while doubt is not None and doubt.open and time.monotonic() < deadline:
            line.idle(deadline)

    def _refusal(self, final: at.Final) -> DriverError:
        """What an error result means for a message whose body the modem has."""
        self._own_failures += final.code in OWN_FAILURES
        cause = at.cause(final)
        if final.code in STORAGE_FULL:
            self._full = True
            cause += CRAMMED if self._crammed else ""
        return KINDS[at.verdict(final)](cause)

    # --- after one that failed ---

    def make_room(self, modem: Modem, wait: Callable[[Future[bool]], object]) -> None:
        """Empty the storage, if the modem has said that it is full. wait: until a message is safe."""
        if self._full:
            self._full, self._crammed = False, not self._storage.make_room(modem, wait)

    def wait_until_free(self, modem: Modem) -> None:
        """Listen for what it owes. Most modems answer in order: one that answers a probe is done with the message."""
        if self._outstanding.doubt is not None:
            self._listen(modem.line, self._outstanding.until)
            self._outstanding.give_up_doubt()
        while self._outstanding.any(time.monotonic()):
            if modem.dialogue.probe():
                return
            now = time.monotonic()
            self._answer.attention.asked(now)
            if self._answer.attention.mute(now):
                raise Silent("no answer to any query")
            modem.line.idle(time.monotonic() + self._timing.busy)
        modem.dialogue.in_step()

    # --- what the modem says by itself ---

    def heard(self, notice: at.Notice) -> None:
        """+CMGS or +CMS ERROR, to no command under way. Raises at.Malformed."""
        if notice.name == at.MESSAGE_REFERENCE:
            self._own_failures = 0  # it works, though slowly
            reference = at.message_reference(notice.text)
            if not self._answer.overheard(reference):
                self._outstanding.answered(reference)
        else:
            final = at.parse_final(notice.text)
            self._outstanding.answered(self._refusal(final) if final is not None else None)

    def reported(self, report: StatusReport) -> StatusReport | None:
        """What a delivery report says of its whole message, with the recipient in full; None: nothing yet."""
        self._absence.reported()
        report = self._reports.in_full(report)
        self._outstanding.reported(report)
        return self._reports.whole(report)


def _of_network(final: at.Final) -> bool:
    """Whether it is the network that refuses a message, not the modem that refuses a command."""
    return final.kind == "CMS" and (final.code or 0) < causes.OF_MODEM
