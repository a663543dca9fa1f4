"""Random PINs are called, recorded by a SIP user agent and written down by a speech recogniser: was the PIN heard?

The way is the product's own: the prompt library, the driver, RTP, and the callee's decoder.
"""

import json
import re
import subprocess
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from daemon.core.phrases import DEFAULT_LOCALE, DIGITS
from daemon.prompts.library import FRAME, NEEDED, PromptLibrary, load_phrases, shipped_prompts
from daemon.prompts.making.chain import decoded, pcm16, telephone
from drivers import RATE, Audio
from drivers.codecs.g711 import alaw_decode, ulaw_decode
from tests.drivers.pyvoip.calling import dial, driver, result
from tests.peers.baresip import Account, Baresip
from tests.soak.ears import HEAD, LENGTHS, Helper, Recording, random_pins, read_wav, score, write_wav

LAWS = ("PCMU", "PCMA")
PARALLEL = 8
HUSH = bytes(RATE)  # half a second
CUT_OFF = 5 * FRAME  # what waits in baresip's jitter buffer when the call ends
ROUNDING = 2  # its mu-law silence is 2
ASTERISK = Path("/usr/share/asterisk/sounds")
ASTERISK_CLIPS = {"welcome": "vm-num-i-have", "again": "vm-num-i-have", "bye": "vm-goodbye"} | {
    name: f"digits/{name.removeprefix('digit_')}" for name in DIGITS
}
"""No recording says "your code is"; "the number I have is" comes nearest."""
ASTERISK_LOCALES = ("en-us", "es-mx", "fr-ca", "it-it", "ru-ru")


@dataclass(frozen=True, slots=True)
class Voice:
    """Prompts to be judged. must: every PIN is to be heard right; the others are printed for comparison."""

    name: str
    locale: str
    library: PromptLibrary
    must: bool


def campaign(directory: Path, count: int, others: int) -> bool:
    """count calls a law with the prompts that are shipped, others with each language that has recordings."""
    with Helper("recogniser.py") as recogniser:
        clean = _sentences_are_clear(directory, recogniser)
        print(f"  {'prompts':14} {'law':4} {'digits':>6}  {HEAD}  recording altered", flush=True)
        for voice in _voices(directory):
            for law in LAWS:
                recordings = _called(directory, voice, law, random_pins(count if voice.must else others))
                for length in LENGTHS:
                    some = [each for each in recordings if len(each.pin) == length]
                    scored = score(recogniser, some, voice.locale.partition("-")[0])
                    altered = sum(not each.whole for each in some)
                    print(f"  {voice.name:14} {law:4} {length:>6}  {scored}  {altered:>17}", flush=True)
                    clean &= scored.all_right or not voice.must
    return clean


def _sentences_are_clear(directory: Path, recogniser: Helper) -> bool:
    """Each sentence that is shipped is heard as it is meant, word by word, by who expects nothing."""
    folder = shipped_prompts() / DEFAULT_LOCALE
    clips = json.loads((folder / "manifest.json").read_text())["clips"]
    meant = {name: clip["text"] for name, clip in clips.items() if name not in DIGITS}
    clear = 0
    for name, text in meant.items():
        wav = write_wav(directory / f"{name}.wav", HUSH + read_wav(folder / f"{name}.wav") + HUSH)
        heard = recogniser.ask(wav=str(wav), language="en", primer="")["text"]
        clear += _words(heard) == _words(text)
        print(f"  {name:17} {heard}", flush=True)
    print(f"  sentences heard as they are meant: {clear} of {len(meant)}", flush=True)
    return clear == len(meant)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _voices(directory: Path) -> Iterator[Voice]:
    yield Voice("shipped", DEFAULT_LOCALE, PromptLibrary.open([shipped_prompts()]), must=True)
    texts = load_phrases().for_locale(DEFAULT_LOCALE).spoken
    yield _voice(directory / "espeak", DEFAULT_LOCALE, {name: _espeak(texts[name]) for name in NEEDED})
    for locale in ASTERISK_LOCALES:
        yield asterisk_voice(directory, locale)


def asterisk_voice(directory: Path, locale: str) -> Voice:
    """The recordings of Asterisk in that language, through our chain."""
    sounds = ASTERISK / locale.partition("-")[0]
    recordings = {name: (sounds / f"{sound}.wav").read_bytes() for name, sound in ASTERISK_CLIPS.items()}
    return _voice(directory / f"asterisk-{sounds.name}", locale, recordings)


def _voice(folder: Path, locale: str, recordings: Mapping[str, bytes]) -> Voice:
    """A set of prompts made of WAV files, as they come from elsewhere."""
    for name, wav in recordings.items():
        write_wav(folder / locale / f"{name}.wav", pcm16(telephone(*decoded(wav))))
    return Voice(folder.name, locale, PromptLibrary.open([folder]), must=False)


def _espeak(text: str) -> bytes:
    command = ["espeak-ng", "-v", DEFAULT_LOCALE, "-s", "150", "--stdin", "--stdout"]
    return subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def _called(directory: Path, voice: Voice, law: str, pins: Sequence[str]) -> list[Recording]:
    """Call for each PIN, several at a time, each callee on an address of its own."""
    hosts: Queue[str] = Queue()
    for number in range(PARALLEL):
        hosts.put(f"127.0.0.{20 + number}")

    def call(number: int, pin: str) -> Recording:
        audio = voice.library.speech(voice.locale, pin, "").audio
        host = hosts.get()
        try:
            return _recorded(directory / f"{voice.name}-{law}-{number}", audio, law, host, pin)
        finally:
            hosts.put(host)

    recordings = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for recording in pool.map(call, range(len(pins)), pins):
            recordings.append(recording)
            print(f"  {len(recordings)} of {len(pins)} called", end="\r", file=sys.stderr, flush=True)
    return recordings


def _recorded(directory: Path, audio: Audio, law: str, host: str, pin: str) -> Recording:
    with Baresip(directory, Account(codecs=law), host) as peer, driver(peer.address) as opened:
        result(dial(opened, audio)[0])
    sent = array("h", ulaw_decode(audio.pcmu) if law == "PCMU" else alaw_decode(audio.pcma))
    path = peer.recording()
    return Recording(pin, path, _whole(sent, array("h", read_wav(path))))


def _whole(sent: "array[int]", got: "array[int]") -> bool:
    """The recording has all samples in their places, but for those that its end cuts off."""
    return len(sent) - len(got) <= CUT_OFF and all(abs(a - b) <= ROUNDING for a, b in zip(sent, got, strict=False))
