"""What is said of each message agrees with what the network did with it, or it stays uncertain: whatever a modem loses.

The modem takes the next message while the network has one. Its answers come in the order of the messages, some late,
some never; one that counts may hold a reference back until the next one is out.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers import Delivery, DriverError, LateAnswer, Receipt, Sms, StatusReport, Uncertain
from drivers.serial import at, sending_interface
from drivers.serial.error_causes import ResultKind
from drivers.serial.restart_signs import Settings
from drivers.serial.sending import HELD, Exchange
from drivers.serial.sending_interface import Due, Ended, Event, Given, GiveUp, Output, Reported
from drivers.serial.timing import Timing

TIMING = Timing()
NUMBERS = ("447700900123", "447700900145")
SLOW_S = 45.0  # the network takes so long: the message has ended as uncertain by then


class Counting(Enum):
    """How a modem gives references."""

    UP = auto()
    ALWAYS_0 = auto()
    STRANGE = auto()


class Answer(Enum):
    """When it comes."""

    IN_TIME = auto()
    LATE = auto()
    LOST = auto()
    HELD_BACK = auto()  # until the next message is answered; of a modem that counts


@dataclass(frozen=True)
class Fate:
    """taken: by the network; a message that is not may have got a reference all the same."""

    taken: bool
    answer: Answer
    counted: bool = True
    reported: bool = False
    number: str = NUMBERS[0]


@dataclass
class Modem:
    """It takes messages, as their fates say, and gives what the exchange is to see."""

    fates: list[Fate]
    counting: Counting
    exchange: Exchange = field(default_factory=lambda: Exchange(TIMING))
    now: float = 1000.0
    references: list[int | None] = field(default_factory=list)  # of the messages that the network took
    coming: list[tuple[float, int, str]] = field(default_factory=list)  # when, of which message, "answer" or "report"
    said: list[tuple[Sms, Receipt | DriverError]] = field(default_factory=list)
    under_way: bool = False  # AT+CMGS waits for its result
    counter: int = 250
    answered_at: float = 0.0
    submitted: list[float] = field(default_factory=list)
    restarted: int = 0  # the first message since

    def feed(self, event: Event) -> None:
        for output in self.exchange.handle(event, self.now):
            self.carry_out(output)

    def carry_out(self, output: Output) -> None:
        match output:
            case sending_interface.Offer():
                self.feed(sending_interface.Offered(5.0))
                self.feed(at.Prompt())
            case sending_interface.Body():
                self.feed(sending_interface.BodyWritten())
            case sending_interface.Submit():
                self.under_way = True
                self.submit()
            case sending_interface.ExpectResult():
                self.under_way = True
            case GiveUp():
                self.under_way = False
            case sending_interface.Probe():
                self.feed(sending_interface.Probed(in_step=True))
            case sending_interface.Synchronise():
                self.feed(sending_interface.Synchronised())
            case Ended():
                self.under_way = False
                self.said.append((self.message, output.result))
            case LateAnswer():
                self.said.append((output.sms, output.answer))

    def submit(self) -> None:
        nth, fate = len(self.references), self.fates[len(self.references)]
        if fate.taken or fate.counted:
            self.counter = {
                Counting.UP: (self.counter + 1) % 256,
                Counting.ALWAYS_0: 0,
                Counting.STRANGE: (self.counter + 40) % 256,
            }[self.counting]
        self.references.append(self.counter if fate.taken else None)
        at_s = max(self.now, self.answered_at) + (0.5 if fate.answer is Answer.IN_TIME else SLOW_S)
        self.submitted.append(self.now)
        if nth > self.restarted and self.holds_back(nth - 1) and at_s < self.submitted[nth - 1] + TIMING.listen - 20:
            self.coming.append((at_s + 1.0, nth - 1, "answer"))
        if fate.answer in (Answer.IN_TIME, Answer.LATE) and at_s < self.now + TIMING.listen - 20:
            self.answered_at = at_s
            self.coming.append((at_s, nth, "answer"))
        if fate.taken and fate.reported:
            self.coming.append((at_s + 2.0, nth, "report"))

    def holds_back(self, nth: int) -> bool:
        """Whether it does, so that the references can tell: the next one has one, and comes in time for both."""
        both = all(self.fates[each].taken for each in (nth, nth + 1))
        held_back = self.fates[nth].answer is Answer.HELD_BACK and self.fates[nth + 1].answer is Answer.IN_TIME
        return both and held_back and self.counting is Counting.UP

    def comes(self, nth: int, kind: str) -> None:
        reference = self.references[nth]
        if kind == "report":
            assert reference is not None
            self.feed(Reported(StatusReport(reference, self.fates[nth].number, Delivery.DELIVERED, 0)))
        elif not self.under_way:
            line = "+CMS ERROR: 42" if reference is None else f"+CMGS: {reference}"
            self.feed(at.Notice(at.name_of(line), line))
        elif reference is None:
            self.under_way = False
            self.feed(at.Final(ResultKind.CMS, 42))
        else:
            self.feed(at.Answer(f"+CMGS: {reference}"))
            self.under_way = False
            self.feed(at.Final(ResultKind.OK))

    def run(self, sms: Sms) -> None:
        """Until the next message can go."""
        self.message = sms
        self.feed(Given(sms, Settings()))
        while not self.exchange.idle:
            self.coming.sort()
            if self.coming and self.coming[0][0] <= self.exchange.due:
                at_s, nth, kind = self.coming.pop(0)
                self.now = max(self.now, at_s)
                self.comes(nth, kind)
            else:
                self.now = max(self.now, self.exchange.due)
                self.feed(Due())
        if self.exchange.errors.stuck:
            self.coming.clear()
            self.restarted = len(self.references)
            for event in (
                sending_interface.SessionEnded("it sends nothing"),
                sending_interface.ModemRestarted(),
                sending_interface.SessionBegan(),
            ):
                self.feed(event)


TAKEN, VANISHED = Fate(True, Answer.IN_TIME), Fate(False, Answer.LOST, counted=False)
ELSEWHERE = Fate(False, Answer.LOST, number=NUMBERS[1])
LATE, LOST = Fate(True, Answer.LATE), Fate(True, Answer.LOST)

fates = st.builds(Fate, st.booleans(), st.sampled_from(Answer), st.booleans(), st.booleans(), st.sampled_from(NUMBERS))


@settings(max_examples=200)
@given(st.lists(fates, max_size=8), st.sampled_from(Counting))
@example([TAKEN, LATE, LOST, TAKEN, TAKEN], Counting.UP)
@example([LOST, LATE, TAKEN, TAKEN], Counting.ALWAYS_0)
@example([TAKEN, LOST, VANISHED, TAKEN], Counting.UP)
@example([LOST, Fate(True, Answer.IN_TIME, reported=True, number=NUMBERS[1]), ELSEWHERE, TAKEN], Counting.ALWAYS_0)
@example([TAKEN, Fate(True, Answer.HELD_BACK), TAKEN, TAKEN], Counting.UP)
def test_what_is_said_of_a_message_is_what_the_network_did(messages: list[Fate], counting: Counting) -> None:
    """Of two messages without an answer the older one used to be forgotten: its answer was the next message's."""
    modem = Modem(messages, counting)
    for nth, fate in enumerate(messages):
        sms = Sms(fate.number, f"message {nth}", 300)
        while len(modem.references) == nth:  # a message that was held is given again
            before, began = len(modem.said), modem.now
            modem.run(sms)
            assert [each for each, _ in modem.said[before:]].count(sms) >= 1
            assert modem.now < began + TIMING.answer * 2 + TIMING.listen
    for sms, said in modem.said:
        nth = int(sms.text.split()[1])
        match said:
            case Receipt():
                assert said.references == (modem.references[nth],)
            case Uncertain():
                pass
            case _:
                assert str(said) == HELD or modem.references[nth] is None


@given(st.lists(st.sampled_from([TAKEN, Fate(False, Answer.IN_TIME)]), max_size=8), st.sampled_from(Counting))
def test_of_answers_in_time_nothing_stays_uncertain(messages: list[Fate], counting: Counting) -> None:
    modem = Modem(messages, counting)
    for nth, fate in enumerate(messages):
        modem.run(Sms(fate.number, f"message {nth}", 300))
    assert [isinstance(said, Receipt) for _, said in modem.said] == [fate.taken for fate in messages]
