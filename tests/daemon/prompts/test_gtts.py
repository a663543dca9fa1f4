"""gTTS on a stand-in of its service that speaks TLS and fails in every way that is known of it."""

from collections.abc import Iterator
from pathlib import Path

import gtts.lang
import pytest

from daemon.core.phrases import LOCALES
from daemon.prompts.library import load_phrases
from daemon.prompts.making.chain import telephone
from daemon.prompts.making.engines.contract import EngineFailed, EngineRests, Line
from daemon.prompts.making.engines.google import Gtts
from daemon.prompts.making.engines.pace import INTERVAL_S, Pace, TooSoon
from daemon.prompts.making.rendering import Order, render
from tests.peers.google import CUT, HOSTS, SLOW, Google, trusted
from tests.peers.tls import certificate


class Clock:
    """Time in our own hands; sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("google"), *HOSTS)


@pytest.fixture
def google(tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with Google(*tls) as google:
        trusted(google, tls[0], monkeypatch.setenv)
        yield google


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(tmp_path: Path, clock: Clock) -> Pace:
    return Pace(tmp_path / ".gtts.json", clock.now, clock.sleep)


def line(locale: str = "en-us", text: str = "one", rate: float = 1.0) -> Line:
    return Line("digit_1", text, locale, rate)


def test_what_comes_back_is_speech(google: Google, pace: Pace) -> None:
    samples, rate = Gtts(pace).speak(line())
    assert rate == 24000
    assert len(telephone(samples, rate)) / 8000 == pytest.approx(0.58, abs=0.05)
    assert [(asked.text, asked.host) for asked in google.asked] == [("one", "translate.google.us")]


def test_a_long_text_is_asked_for_in_parts_and_joined(google: Google, pace: Pace) -> None:
    samples, rate = Gtts(pace).speak(line(text="verification code " * 8))
    assert len(google.asked) == 2
    assert all(len(asked.text) <= 100 for asked in google.asked)
    assert len(samples) / rate > 2.5


@pytest.mark.parametrize(
    ("locale", "language", "host"),
    [
        ("nb-no", "no", "translate.google.com"),
        ("fil-ph", "tl", "translate.google.com"),
        ("pt-pt", "pt-PT", "translate.google.pt"),
        ("fr-ca", "fr-CA", "translate.google.ca"),
        ("en-gb", "en", "translate.google.co.uk"),
        ("zh-tw", "zh-TW", "translate.google.com"),
    ],
)
def test_languages_are_spelled_as_google_does_and_accents_come_by_domain(
    google: Google, pace: Pace, locale: str, language: str, host: str
) -> None:
    Gtts(pace).speak(line(locale))
    assert [(asked.language, asked.host) for asked in google.asked] == [(language, host)]


def test_every_locale_has_a_language_that_gtts_knows(pace: Pace) -> None:
    known = {*gtts.lang.tts_langs(), "pt-PT", "fr-CA"}
    assert {Gtts(pace).voice(locale).partition("/")[0] for locale in LOCALES} <= known


def test_slow_digits_are_asked_for_as_slow(google: Google, pace: Pace) -> None:
    Gtts(pace).speak(line(rate=0.8))
    assert google.asked[0].slow
    assert Gtts(pace).parameters(line(rate=0.8)) != Gtts(pace).parameters(line())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("empty", "empty answer"),
        ("consent page", "web page"),
        ("consent redirect", r"sends us to https://consent\.google\.com/m, as it does for consent"),
        ("500", "answers 500"),
        ("half", "half an answer"),
        ("something else", "without speech"),
        (CUT, "cannot be reached"),
    ],
)
def test_a_fault_of_the_service_stops_the_run_and_says_why(google: Google, pace: Pace, fault: str, words: str) -> None:
    google.faults.append(fault)
    with pytest.raises(EngineRests, match=words):
        Gtts(pace).speak(line())
    Gtts(pace).speak(line())
    assert len(google.asked) == 2


@pytest.mark.parametrize(("fault", "words"), [("no voice", "no voice"), ("a page as audio", "no audio")])
def test_a_fault_of_one_clip_is_told(google: Google, pace: Pace, fault: str, words: str) -> None:
    google.faults.append(fault)
    with pytest.raises(EngineFailed, match=words):
        Gtts(pace).speak(line())


def test_audio_without_speech_makes_no_clip_and_is_not_kept(google: Google, pace: Pace, tmp_path: Path) -> None:
    engine = Gtts(pace)
    google.faults.append("silence")
    with pytest.raises(EngineFailed, match=r"clip digit_0 \('zero'\): gtts gave no speech"):
        render(load_phrases().for_locale("en-us"), Order(engine, engine), tmp_path, lambda _: None)
    assert not (tmp_path / ".cache").exists()
    assert not (tmp_path / "en-us").exists()


def test_a_service_that_hangs_is_left(google: Google, pace: Pace) -> None:
    google.faults.append(SLOW)
    with pytest.raises(EngineRests, match=r"does not answer within 0\.2 s"):
        Gtts(pace, timeouts_s=(5, 0.2)).speak(line())


def test_without_a_network_the_remedy_is_named(google: Google, pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(EngineRests, match="is there a way to the internet"):
        Gtts(pace).speak(line())
    assert google.asked == []


def test_a_certificate_that_nobody_vouches_for_gets_no_request(
    google: Google, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gTTS itself would send it: it does not verify TLS."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(EngineRests, match="does not trust"):
        Gtts(pace).speak(line())
    assert google.asked == []


# --- the pace --------------------------------------------------------------------------------------------------


def test_requests_keep_a_distance_over_all_processes(google: Google, clock: Clock, tmp_path: Path) -> None:
    for _ in range(3):  # each as a process of its own would
        Gtts(Pace(tmp_path / "pace", clock.now, clock.sleep)).speak(line())
    assert clock.slept == [0, INTERVAL_S, INTERVAL_S]
    assert len(google.asked) == 3


@pytest.mark.parametrize("fault", ["429", "captcha"])
def test_after_a_refusal_nothing_is_asked_until_the_pause_is_over(
    google: Google, clock: Clock, pace: Pace, fault: str
) -> None:
    google.faults.append(fault)
    with pytest.raises(EngineRests, match=r"go on at \d\d:\d\d; run the same again"):
        Gtts(pace).speak(line())
    clock.now_s += 299
    with pytest.raises(EngineRests, match="go on at"):
        Gtts(pace).speak(line())
    assert len(google.asked) == 1
    clock.now_s += 2
    Gtts(pace).speak(line())
    assert len(google.asked) == 2


def test_the_pauses_grow_and_an_answer_forgets_them(clock: Clock, pace: Pace) -> None:
    begun = clock.now_s
    pauses = []
    for _ in range(4):
        pauses.append(pace.refused().until - begun)
    assert pauses == [300, 1200, 3600, 3600]
    pace.served()
    assert pace.refused().until - begun == 300


def test_a_clock_that_was_set_back_does_not_stop_us_for_long(clock: Clock, pace: Pace) -> None:
    pace.refused()
    clock.now_s -= 86400
    pace.wait()
    assert clock.slept == [0]


def test_what_somebody_wrote_into_the_file_is_no_obstacle(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "pace").write_text("{]")
    Pace(tmp_path / "pace", clock.now, clock.sleep).wait()
    Pace(tmp_path / "pace", clock.now, clock.sleep).refused()
    with pytest.raises(TooSoon):
        Pace(tmp_path / "pace", clock.now, clock.sleep).wait()
