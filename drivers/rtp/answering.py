"""Who answered: a person or a machine? A heuristic on the first seconds of what the callee says.

SIP does not say. A person says a word or two and waits, or says nothing; a machine greets at length, or beeps. A
talkative person is taken for a machine, a machine with a short greeting for a person: `confirm = "press1"` errs with
neither.

Pure: G.711 and times go in, a verdict comes out, once.
"""

from array import array
from dataclasses import dataclass
from enum import StrEnum

from drivers import RATE
from drivers.codecs.g711 import PCMA, PCMU, alaw_decode, ulaw_decode

STEP = 16  # linear units a step of the magnitude tables, so that it fits an octet; saturates at -17 dBm0


class Verdict(StrEnum):
    PERSON = "person"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Limits:
    """Levels are means of the magnitude on the 16-bit scale; of speech they are some 3 dB below its RMS."""

    window_s: float = 0.020  # of one measurement
    greeting_s: float = 2.0  # who answers in person is done by then; a mailbox has hardly said whose it is
    pause_s: float = 0.7  # longer than any pause within a sentence: now it is our turn
    silence_s: float = 2.5  # somebody listens; machines greet sooner
    beep_s: float = 0.3  # of one tone without a break; no vowel is held so steadily
    beep_low_hz: float = 350.0  # below it is hum
    beep_high_hz: float = 2000.0  # above it are fax tones and hiss
    level_off: float = 0.25  # how far a steady tone's level may be off, of its level
    crossings_off: int = 1  # the same of its zero crossings in a window: where it begins decides
    click_s: float = 0.1  # of voice: less is no word, but the receiver being lifted
    total_s: float = 5.0  # nobody waits longer for us to speak
    gap_s: float = 0.2  # without packets, beyond jitter: the far end suppresses silence
    quiet: float = 100.0  # about -42 dBm0: below it is line noise
    loud: float = 800.0  # about -23 dBm0: above it is speech, however loud the room
    above_noise: float = 4.0  # 12 dB: between them, what rises so far above the room is speech


class Listener:
    """Listens to one call, from its answer on."""

    def __init__(self, now: float, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._window = round(self._limits.window_s * RATE)
        self._began = now
        self._magnitudes = self._signs = b""  # of less than a window
        self._listened_s = 0.0
        self._noise = float("inf")  # the quietest window
        self._voice_s = 0.0
        self._greeting_s = 0.0  # from the first voice to the last, pauses between them included
        self._pause_s = 0.0  # since the last voice, or from the beginning
        self._beep_s = 0.0
        self._tone = (0.0, 0)  # level and crossings of the window that the beep began with

    def take(self, octets: bytes, payload_type: int, now: float) -> Verdict | None:
        """The next packet's audio, which came now. payload_type: PCMU or PCMA."""
        verdict = self.wait(now)
        magnitudes_of, signs_of = TABLES[payload_type]
        self._magnitudes += octets.translate(magnitudes_of)
        self._signs += octets.translate(signs_of)
        while len(self._signs) >= self._window and not verdict:
            verdict = self._take_window(self._magnitudes[: self._window], self._signs[: self._window])
            self._magnitudes, self._signs = self._magnitudes[self._window :], self._signs[self._window :]
        return verdict

    def wait(self, now: float) -> Verdict | None:
        """Time passed; what did not come by now was silence."""
        verdict = None
        if now - self._began - self._listened_s > self._limits.gap_s:
            while self._listened_s < now - self._began and not verdict:
                verdict = self._judge(0.0, 0)
        return verdict

    def _take_window(self, magnitudes: bytes, signs: bytes) -> Verdict | None:
        return self._judge(sum(magnitudes) * STEP / len(magnitudes), signs.count(b"+-"))

    def _judge(self, level: float, crossings: int) -> Verdict | None:
        """One window more. crossings: from plus to minus."""
        limits = self._limits
        self._listened_s += limits.window_s
        self._noise = min(self._noise, level)
        self._count_voice(level > min(max(limits.quiet, limits.above_noise * self._noise), limits.loud))
        self._count_beep(level, crossings)
        if self._beep_s >= limits.beep_s or self._greeting_s > limits.greeting_s:
            return Verdict.MACHINE
        said_hello = self._greeting_s > 0 and self._pause_s >= limits.pause_s
        if said_hello and self._voice_s < limits.click_s:
            self._greeting_s = self._voice_s = 0.0
            said_hello = False
        waited = self._pause_s >= limits.silence_s or self._listened_s >= limits.total_s
        return Verdict.PERSON if said_hello or waited else None

    def _count_voice(self, voiced: bool) -> None:
        window_s = self._limits.window_s
        if not voiced:
            self._pause_s += window_s
            return
        self._greeting_s += window_s + (self._pause_s if self._greeting_s else 0.0)
        self._voice_s += window_s
        self._pause_s = 0.0

    def _count_beep(self, level: float, crossings: int) -> None:
        limits = self._limits
        before, crossed = self._tone
        steady = abs(level - before) <= limits.level_off * before and abs(crossings - crossed) <= limits.crossings_off
        if not steady:
            self._tone = level, crossings
        pitched = limits.beep_low_hz <= crossings / limits.window_s <= limits.beep_high_hz
        self._beep_s = (self._beep_s if steady else 0.0) + limits.window_s if pitched and level > limits.quiet else 0.0


def _tables(linear: bytes) -> tuple[bytes, bytes]:
    """Magnitude in steps, and sign, of every octet of a law; for bytes.translate, which is as quick as it gets."""
    values = array("h", linear)
    return bytes(min(abs(value) // STEP, 255) for value in values), bytes(b"-+"[value >= 0] for value in values)


TABLES = {PCMU: _tables(ulaw_decode(bytes(range(256)))), PCMA: _tables(alaw_decode(bytes(range(256))))}
