"""`pinwheel prompts`: what an operator types, reads and hears."""

import json
import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.core.phrases import LOCALES
from daemon.prompts.library import PromptLibrary, load_phrases, shipped_prompts
from daemon.prompts.making.engines.google import Gtts
from daemon.prompts.making.engines.pace import Pace
from daemon.prompts.making.rendering import Order, render
from daemon.prompts.making.sets import read_manifest, replacing, write_clip
from drivers.codecs.g711 import alaw_decode, ulaw_decode
from tests.daemon.prompts.voices import Hum
from tests.peers.google import HOSTS, Google, trusted
from tests.peers.tls import certificate

Prompts = Callable[..., Result]
VOICE = '[voice]\ndriver = "pyvoip"\nserver = "pbx"\nusername = "u"\nregister = false\n'
PHRASES = load_phrases().for_locale("en-us")


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """pinwheel prompts COMMAND ..., with a directory of its own."""

    def run(command: str, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["prompts", command, *arguments, "--directory", str(tmp_path / "own")])

    return run


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pinwheel.toml"
    path.write_text(text)
    return path


# --- render ----------------------------------------------------------------------------------------------------


def test_render_takes_its_defaults_from_the_configuration(tmp_path: Path) -> None:
    own = json.dumps(str(tmp_path / "own"))
    file = config(tmp_path, f'[prompts]\nengine = "espeak"\nbrands = ["Globex"]\ndirectory = {own}\n')
    done = CliRunner().invoke(main, ["prompts", "render", "en-us", "--config", str(file)])
    assert done.exit_code == 0, done.output
    assert "espeak: last resort: hardly understood" in done.output
    assert "19/19  en-us  welcome-globex" in done.output
    assert "1 locale(s) ready" in done.output
    made = read_manifest(tmp_path / "own" / "en-us")
    assert {clip.engine for clip in made.values()} == {"espeak"}
    assert all("last resort" in clip.note for clip in made.values())
    listed = CliRunner().invoke(main, ["prompts", "check", "en-us", "--config", str(file)])
    assert listed.exit_code == 0
    assert listed.output.splitlines()[1].startswith("en-us   18/18  acme, globex, pinwheel  espeak (last resort)")


def test_all_is_every_locale_of_the_voice_and_one_that_fails_does_not_keep_others_from_it(
    prompts: Prompts, tmp_path: Path
) -> None:
    (tmp_path / "en.onnx").write_bytes(b"no model")
    (tmp_path / "en.onnx.json").write_text('{"language": {"code": "en_GB"}}')
    done = prompts("render", "--all", "--engine", "piper", "--voice", str(tmp_path / "en.onnx"))
    assert done.exit_code == 1
    failed = [line.removeprefix("Error: ").partition(":")[0] for line in done.output.splitlines()]
    assert failed == sorted(locale for locale in load_phrases().by_locale if locale.startswith("en-"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "name the locales, or say --all"),
        (["en-us", "--all"], 2, "name the locales, or say --all"),
        (["xx-xx"], 1, "no locale 'xx-xx'; there are ar-xa"),
        (["en-us", "--engine", "asterisk", "--rate", "0.8"], 1, "leave --rate out"),
        (["en-us", "--engine", "espeak", "--brand", "!?"], 1, "cannot name a clip after the brand '!?'"),
        (["en-us", "--engine", "espeak", "--voice", "x.onnx"], 2, "only piper takes --voice"),
        (["en-us", "--engine", "piper", "--voice", "/x.onnx"], 1, "piper cannot use the voice /x.onnx"),
    ],
)
def test_an_order_that_cannot_be_met_says_why(prompts: Prompts, arguments: list[str], code: int, words: str) -> None:
    done = prompts("render", *arguments)
    assert done.exit_code == code
    assert words in done.output


@pytest.mark.parametrize("words", [("play", "xx-xx", "1234"), ("texts", "xx-xx"), ("check", "xx-xx")])
def test_a_locale_that_there_is_not_is_refused_by_every_command(words: tuple[str, ...]) -> None:
    """`play` used to play English, and `texts` to advise to write a file."""
    done = CliRunner().invoke(main, ["prompts", *words])
    assert (done.exit_code, "no locale 'xx-xx'; there are ar-xa" in done.output) == (1, True)


def test_a_locale_that_is_being_made_is_left_alone(prompts: Prompts, tmp_path: Path) -> None:
    with replacing(tmp_path / "own", "en-us"):
        done = prompts("render", "en-us", "--engine", "espeak")
    assert done.exit_code == 1
    assert "en-us: en-us is being made by process" in done.output
    assert "ready" not in done.output


def test_the_daemon_may_read_what_was_made_with_any_umask(tmp_path: Path) -> None:
    """There used to be clips that only root could read where root's umask was 077, as hardened machines have it."""
    before = os.umask(0o077)
    try:
        with replacing(tmp_path / "new" / "own", "de-de") as work:
            write_clip(work / "bye.wav", bytes(320))
    finally:
        os.umask(before)
    made = [tmp_path / "new", *(tmp_path / "new").rglob("*[!k]")]
    modes = {path.name: path.stat().st_mode & 0o777 for path in made}
    assert modes == {"new": 0o755, "own": 0o755, "de-de": 0o755, "bye.wav": 0o644}


def test_google_is_asked_only_for_what_is_new_and_told_apart_when_it_refuses(
    prompts: Prompts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, *HOSTS)
    with Google(cert, key) as google:
        trusted(google, cert, monkeypatch.setenv)
        engine = Gtts(Pace(tmp_path / "pace", lambda: 0.0, lambda _: None))
        render(PHRASES, Order(engine, engine), tmp_path / "own", lambda _: None)
        google.asked.clear()
        google.faults.append("429")
        order = ("render", "en-us", "--engine", "gtts", "--brand", "Globex")
        refused = prompts(*order)
        again = prompts(*order)
        assert [asked.text for asked in google.asked] == ["Hello. Your Globex verification code is"]
        (tmp_path / "own" / ".gtts.json").unlink()  # five minutes later
        done = prompts(*order)
    for failed in (refused, again):
        assert failed.exit_code == 1
        assert "15/19  en-us  question" in failed.output
        assert "go on at" in failed.output
    assert done.exit_code == 0, done.output
    assert "cached" in done.output
    assert "welcome-globex" in PromptLibrary.open([tmp_path / "own"]).clips["en-us"]


# --- check -----------------------------------------------------------------------------------------------------


def test_check_lists_every_locale_and_is_content_with_english(prompts: Prompts) -> None:
    done = prompts("check")
    assert done.exit_code == 0
    rows = {line.split()[0]: line for line in done.output.splitlines()[1:] if not line.startswith(" ")}
    assert set(rows) == LOCALES
    assert rows["en-us"].split()[1] == "18/18"
    assert "0/18" in rows["de-de"]
    assert "spoken in en-us" in rows["de-de"]


def test_check_tells_each_clip(prompts: Prompts) -> None:
    rows = [row for row in prompts("check", "en-us", "--clips").output.splitlines() if not row.startswith(" ")]
    assert len(rows) == 1 + len(PromptLibrary.open([shipped_prompts()]).clips["en-us"])
    assert rows[0].split()[:2] == ["LOCALE", "CLIP"]
    assert any(row.split()[:2] == ["en-us", "digit_7"] and "dBFS" in row and "shipped" in row for row in rows)


def test_a_set_that_was_begun_must_be_complete(prompts: Prompts, tmp_path: Path) -> None:
    with replacing(tmp_path / "own", "de-de") as work:
        (work / "bye.wav").write_bytes((shipped_prompts() / "en-us" / "bye.wav").read_bytes())
    done = prompts("check")
    assert done.exit_code == 1
    (row,) = (line for line in done.output.splitlines() if line.startswith("de-de"))
    assert "1/18" in row
    assert "no welcome, again, press_1 and 14 more" in row
    assert prompts("check", "fr-fr").exit_code == 1
    assert prompts("check", "en-us").exit_code == 0


def spoil(folder: Path, clip: str, pcm: bytes) -> None:
    write_clip(folder / "en-us" / f"{clip}.wav", pcm)


@pytest.mark.parametrize(
    ("pcm", "words"),
    [
        (b"\x10\x00" * 8000, "digit_1: level -66 dBFS instead of -18"),
        (b"\x00\x10" * 400, "digit_1: 0.05 s long"),
        (b"\x00\x10" * 4000, "digit_1: changed since it was made"),
    ],
)
def test_a_clip_that_is_not_as_it_should_be_is_told_and_the_command_given_mends_it(
    prompts: Prompts, tmp_path: Path, pcm: bytes, words: str
) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path / "own", lambda _: None)
    assert prompts("check", "en-us").exit_code == 0
    spoil(tmp_path / "own", "digit_1", pcm)
    done = prompts("check", "en-us")
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    command = done.output.split("pinwheel prompts ")[1].split()
    assert prompts(*command, "--engine", "espeak").exit_code == 0
    assert prompts("check", "en-us").exit_code == 0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("level = -24", "level -18 dBFS instead of -24"),
        ("emphasis = 9", "emphasis 0 dB instead of 9"),
        ("level = -24\nemphasis = 9", "level -18 dBFS instead of -24"),
    ],
)
def test_clips_that_only_sound_otherwise_are_mended_without_an_engine(
    prompts: Prompts, tmp_path: Path, keys: str, words: str
) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path / "own", lambda _: None)
    file = str(config(tmp_path, f"[prompts]\n{keys}\n"))
    done = prompts("check", "en-us", "--config", file)
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    command = done.output.split("pinwheel prompts ")[1].split()
    assert command == ["render", "en-us", "--engine", "keep"]
    assert prompts(*command, "--config", file).exit_code == 0
    assert {made.engine for made in read_manifest(tmp_path / "own" / "en-us").values()} == {"hum", "piper"}
    assert prompts("check", "en-us", "--config", file).exit_code == 0


def test_keep_for_all_are_the_locales_that_have_clips_and_one_speed(prompts: Prompts, tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path / "own", lambda _: None)
    assert "1 locale(s) ready" in prompts("render", "--all", "--engine", "keep").output
    assert "leave --rate out" in prompts("render", "en-us", "--engine", "keep", "--rate", "0.8").output
    assert "none to keep for de-de; name an engine with --engine" in (
        prompts("render", "de-de", "--engine", "keep").output
    )


def test_a_broken_file_and_a_broken_manifest_are_told(prompts: Prompts, tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path / "own", lambda _: None)
    (tmp_path / "own" / "en-us" / "bye.wav").write_bytes(b"RIFF")
    found = json.loads(prompts("check", "en-us", "--json").output)[0]
    assert any("bye.wav: it ends too early" in trouble for trouble in found["troubles"])
    (tmp_path / "own" / "en-us" / "manifest.json").write_text("{")
    done = prompts("check", "en-us")
    assert done.exit_code == 1
    assert "manifest.json" in done.output


def test_clips_that_say_what_the_phrases_no_longer_say_are_told(prompts: Prompts, tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path / "own", lambda _: None)
    manifest = tmp_path / "own" / "en-us" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"Goodbye."', '"So long."'))
    assert "bye: says 'So long.', the phrases now 'Goodbye.'" in " ".join(prompts("check", "en-us").output.split())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that the daemon cannot read")
@pytest.mark.parametrize("closed", ["en-us", "en-us/bye.wav"])
def test_prompts_that_the_daemon_may_not_read_are_told_and_the_command_mends_it(public_path: Path, closed: str) -> None:
    """`prompts check` used to find nothing wrong with clips that only root could read."""
    state = public_path / "state"
    state.mkdir()
    own = public_path / "own"
    render(PHRASES, Order(Hum(), Hum()), own, lambda _: None)
    os.chown(state, 65534, 65534)  # the daemon's user
    file = config(public_path, f'[store]\nurl = "sqlite:///{state}/p.db"\n[prompts]\ndirectory = "{own}"\n')
    command = ["prompts", "check", "en-us", "--config", str(file)]
    assert CliRunner().invoke(main, command).exit_code == 0
    (own / closed).chmod(0o700 if closed == "en-us" else 0o600)
    done = CliRunner().invoke(main, command)
    told = " ".join(done.output.split())
    assert (done.exit_code, "nobody may not read" in told) == (1, True)
    found = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)[0]
    assert found["remedy"] == f"chmod -R a+rX {own}/en-us"
    assert any(str(own / closed) in trouble for trouble in found["troubles"])
    subprocess.run(found["remedy"].split(), check=True)
    assert CliRunner().invoke(main, command).exit_code == 0


def test_brands_that_are_configured_have_a_welcome(tmp_path: Path) -> None:
    file = config(tmp_path, '[prompts]\nbrands = ["Globex"]\n')
    command = ["prompts", "check", "en-us", "--config", str(file), "--directory", str(tmp_path), "--json"]
    found = json.loads(CliRunner().invoke(main, command).output)[0]
    assert found["missing"] == ["welcome-globex"]
    assert found["remedy"] == "pinwheel prompts render en-us"
    assert found["complete"]


def test_check_and_play_need_nothing_that_the_daemon_does_not(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'soundfile', 'soxr', 'gtts', 'matplotlib'): sys.modules[name] = None\n"
        "from daemon.cli import main\nmain()\n"
    )
    for command in (["check"], ["play", "en-us", "12", "--out", str(tmp_path / "x.wav")]):
        done = subprocess.run([sys.executable, "-c", program, "prompts", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-c", program, "prompts", "render", "en-us"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{sys.prefix}/bin/pip install '.[render]'" in done.stderr


# --- play ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_play_writes_what_the_callee_hears_octet_by_octet(prompts: Prompts, tmp_path: Path, law: str) -> None:
    file = config(tmp_path, VOICE + "repeats = 0\n")
    output = tmp_path / "call.wav"
    wanted = ("en-us", "4711", "--brand", "Acme", "--law", law, "--out", str(output), "--config", str(file))
    done = prompts("play", *wanted)
    assert done.exit_code == 0, done.output
    speech = PromptLibrary.open([shipped_prompts()]).speech("en-us", "4711", "Acme")
    with wave.open(str(output)) as wav:
        heard = wav.readframes(wav.getnframes())
    assert heard == (ulaw_decode(speech.audio.pcmu) if law == "ulaw" else alaw_decode(speech.audio.pcma))
    names = [line.split()[4] for line in done.output.splitlines()[1:]]
    assert [name for name in names if name != "-"] == [
        *("welcome-acme", "digit_4", "digit_7", "digit_1", "digit_1"),
        *("again", "digit_4", "digit_7", "digit_1", "digit_1", "bye"),
    ]


def test_play_goes_through_the_whole_conversation(prompts: Prompts, tmp_path: Path) -> None:
    asks = VOICE + 'confirm = "press1"\n'
    done = prompts("play", "en-us", "1", "--config", str(config(tmp_path, asks)))
    names = [line.split()[4] for line in done.output.splitlines()[1:]]
    spoken = ["question", "welcome", "digit_1", "again", "digit_1", "press_1", "bye"]
    assert [name for name in names if name != "-"] == spoken


def test_play_draws_it(prompts: Prompts, tmp_path: Path) -> None:
    done = prompts("play", "en-us", "4711", "--plot", str(tmp_path / "call.png"))
    assert done.exit_code == 0, done.output
    png = (tmp_path / "call.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) > 1000
    assert len(png) > 20_000


def test_play_says_when_it_is_another_language(prompts: Prompts) -> None:
    done = prompts("play", "de-de", "1")
    assert done.exit_code == 0
    assert "there are no prompts for de-de; this is en-us" in done.output


def test_play_refuses_letters_and_names_a_file_that_cannot_be_written(prompts: Prompts, tmp_path: Path) -> None:
    refused = prompts("play", "en-us", "4x", "--out", str(tmp_path / "x.wav"))
    assert refused.exit_code == 1
    assert "letters" in refused.output
    assert not (tmp_path / "x.wav").exists()
    failed = prompts("play", "en-us", "4", "--out", str(tmp_path / "none" / "x.wav"))
    assert failed.exit_code == 1
    assert "cannot use" in failed.output


def test_a_mistake_in_the_configuration_is_told(tmp_path: Path) -> None:
    file = config(tmp_path, '[prompts]\nengine = "siri"\n')
    done = CliRunner().invoke(main, ["prompts", "check", "--config", str(file)])
    assert done.exit_code == 1
    assert "'siri' must be one of" in done.output


@pytest.mark.parametrize("command", ["render", "import", "check", "play"])
def test_help_names_the_traps(command: str) -> None:
    done = CliRunner().invoke(main, ["prompts", command, "--help"])
    assert done.exit_code == 0
    words = {
        "render": "HARDLY UNDERSTOOD",
        "import": "nothing is imported",
        "check": "Exits 1",
        "play": "exactly as it is sent",
    }
    assert words[command] in " ".join(done.output.split())
