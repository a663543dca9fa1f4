"""Commands whose standard output is full, closed, or read by nobody any more."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway import Gateway

PINWHEEL, PINWHEELD = (Path(sys.executable).with_name(name) for name in ("pinwheel", "pinwheeld"))
FULL = "cannot write the output: No space left on device\n"
VOICE = '[voice]\ndriver = "pyvoip"\nserver = "127.0.0.1"\nusername = "u"\nregister = false\n'
ASKING = (
    ["list"],
    ["--json", "list"],
    ["events"],
    ["status"],
    ["start", "+447700900101", "--brand", "Acme"],
    ["show", "0" * 32, "--json"],  # what went wrong, as JSON
)
ALONE = ([PINWHEEL, "--help"], [PINWHEEL, "prompts", "texts"], [PINWHEELD, "--help"], [PINWHEELD, "--version"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With a request, so that there is something to print."""
    settings = "[security]\nmax_active_per_number = 0\n"
    with Gateway(tmp_path_factory.mktemp("output"), VOICE + settings) as gateway:
        gateway.client.verify("", number="447700900101", brand="Acme")
        yield gateway


@pytest.fixture(params=[*ASKING, *ALONE], ids=lambda words: " ".join(str(word).rpartition("/")[2] for word in words))
def command(request: pytest.FixtureRequest, gateway: Gateway) -> list[str]:
    words: list[str] = request.param
    return words if words in ALONE else [str(PINWHEEL), "--socket", str(gateway.socket), *words]


def run(command: list[str], output: int, errors: int = subprocess.PIPE) -> tuple[int, str]:
    """Exit status, and what was printed on standard error."""
    done = subprocess.run(command, stdout=output, stderr=errors, text=True, timeout=30)
    return done.returncode, done.stderr


def test_an_output_that_is_full_is_told_in_one_line(command: list[str]) -> None:
    """There used to be a traceback at the end of the interpreter, and exit status 120."""
    with open("/dev/full", "w") as full:
        assert run(command, full.fileno()) == (1, FULL)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prompts", "texts", "xx-xx"], "no locale 'xx-xx'; there are ar-xa, cs-cz, cy-cy"),
        (["store", "copy", "a", "b"], 'must start with "sqlite:///" or "postgresql://", e.g.'),
    ],
)
def test_what_went_wrong_is_broken_between_words_on_a_terminal(words: list[str], said: str) -> None:
    """A list of all locales used to be one line of 270 columns, which the terminal broke within words."""
    side, terminal = os.openpty()
    try:
        run([str(PINWHEEL), *words], subprocess.DEVNULL, terminal)
        lines = os.read(side, 4096).decode().splitlines()
    finally:
        os.close(side)
        os.close(terminal)
    assert max(map(len, lines)) <= 80
    assert said in " ".join(lines)


def test_who_reads_no_more_ends_a_command_quietly(command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(command, writer) == (141, "")  # as for a program that SIGPIPE ended
    finally:
        os.close(writer)


def test_the_exit_status_is_true_where_nothing_can_be_printed(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [str(PINWHEEL), "--socket", str(tmp_path / "none.sock"), "status"]
        assert run(command, full.fileno(), full.fileno())[0] == 3


def test_a_closed_output_is_no_fault(gateway: Gateway) -> None:
    command = f"exec {PINWHEEL} --socket {gateway.socket} list >&-"
    assert run(["sh", "-c", command], subprocess.DEVNULL) == (0, "")


def test_a_configuration_is_judged_or_nothing_is_told(tmp_path: Path) -> None:
    config = tmp_path / "pinwheel.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/p.db"\n[api]\nsocket = "{tmp_path}/s"\n{VOICE}')
    with open("/dev/full", "w") as full:
        code, told = run([str(PINWHEELD), "--check-config", "--config", str(config)], full.fileno())
    assert (code, told.splitlines()[-1:]) == (1, [FULL.strip()])
