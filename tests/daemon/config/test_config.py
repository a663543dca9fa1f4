"""The configuration: what is good is read whole, and every mistake is named at once."""

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import drivers
from daemon.config import SECTIONS, TABLE_ARRAYS, Config, ConfigErrors, Modem, Voice, load, parse
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Channel, Step

SHIPPED = Path(__file__).parents[3] / "config" / "pinwheel.toml"
HERE = Path("pinwheel.toml")
IMEI = "356938035643809"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, HERE)
    return caught.value.mistakes


def test_the_shipped_file_is_good_and_is_the_default() -> None:
    assert load(SHIPPED) == Config()


def modem(more: str = "", *, name: str = "a", port: str = "/dev/ttyUSB0") -> str:
    return f'[[modem]]\nname = "{name}"\nport = "{port}"\n{more}\n'


def in_force() -> str:
    """The shipped file with its commented keys and tables in force."""
    return re.sub(r"^# (?=\[\[|[a-z_]+ = )", "", SHIPPED.read_text(), flags=re.MULTILINE)


def uncommented() -> dict[str, object]:
    return tomllib.loads(in_force())


def test_what_the_shipped_file_shows_can_be_used_as_it_is() -> None:
    config = parse(in_force().replace('driver = "none"', 'driver = "pyvoip"'), HERE)
    assert config.modem[0].options.baudrate == 115200
    assert config.channels == set(Channel)


@pytest.mark.parametrize(("section", "cls"), [*SECTIONS.items(), *TABLE_ARRAYS.items()])
def test_every_key_is_in_the_shipped_file_with_its_default_and_help(section: str, cls: type) -> None:
    content = uncommented()[section]
    table = content[0] if isinstance(content, list) else content
    assert isinstance(table, dict)
    keys = [f for f in dataclasses.fields(cls) if not f.metadata.get("driver")]
    if cls is Modem:
        keys += dataclasses.fields(drivers.load("serial").Options)
    if cls is Voice:
        keys += dataclasses.fields(drivers.load("pyvoip").Options)
    assert {f.name for f in keys} == table.keys()
    for f in keys:
        assert f.metadata["help"] in SHIPPED.read_text(), f.name


def test_all_mistakes_come_out_at_once_with_their_remedies() -> None:
    text = '[api]\nsocket = 3\ntpc = "x"\nallow_uids = ["a"]\n[[workflow]]\nid = 5\n[clock]\nspeed = true\n[foo]\n'
    assert mistakes(text) == [
        "[api] tpc: no such key; did you mean 'tcp'?",
        "[api] socket: 3 must be a text in quotes",
        "[api] allow_uids: 'a' must be a whole number",
        "[[workflow]] number 1 id: 5 is too small; the least is 100",
        "[clock] speed: True must be a number",
        "[foo]: no such section; the sections are "
        + "api, store, retention, security, sms, voice, canary, prompts, alert, log, clock, "
        + "account, operator, modem, workflow",
        '[[workflow]] number 1 steps: from 1 to 26 are needed, e.g. [{ channel = "sms", wait = 60 }]',
        "[[modem]] and [voice] driver: nothing can be sent; "
        + "run pinwheel setup, or add a [[modem]] with its port, or set driver and server in [voice]",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[api", "not valid TOML"),
        ("api = 3", "[api]: must be a table"),
        ("[modem]", "[modem]: must be written [[modem]], there may be several"),
        ('[security]\non_refused = "stop"', "'stop' must be one of 'wait', 'next'"),
        ("[security]\ncancel_after = -1", "-1 is too small; the least is 0 s"),
        ("[clock]\nspeed = 5000.0", "5000.0 is too large; the most is 1000"),
        ("[security]\nallow_prefixes = 44", "44 must be a list of a text in quotes"),
        ('[security]\nallow_prefixes = ["+44"]', "'+44' must be digits without"),
        ('[store]\nurl = "mysql://x"', 'must start with "sqlite:///"'),
        ('[api]\nsocket_mode = "rw"', "is not an octal mode"),
        ('[api]\ntcp = "8790"', 'must be "address:port"'),
        ('[api]\ntcp = "127.0.0.1:8790"', "needs at least one [[account]]"),
        ('[api]\ntcp = "0.0.0.0:8790"', "0.0.0.0 is not loopback, so it needs tls_cert and tls_key"),
        ('[api]\ntcp = "127.0.0.1:1"\ntls_cert = "/x"', "tls_key: is missing; give both"),
        ('[api]\ntcp = "127.0.0.1:1"\n[[account]]\nsecret_file = "/no"', "[[account]] number 1 key: is missing"),
        ('[api]\ntcp = "127.0.0.1:1"\n[[account]]\nkey = "k"', "[[account]] number 1 secret_file: is missing"),
        ('[[modem]]\nport = "/dev/null"', "[[modem]] number 1 name: is missing"),
        ('[[modem]]\nname = "a"', "[[modem]] number 1 port: is missing"),
        ('[[modem]]\nname = "a"\nport = "x"\n[[modem]]\nname = "a"\nport = "y"', "number 2 name: 'a' is taken"),
        ('[[modem]]\nname = "a"\ndriver = "fax"', "no driver named 'fax'"),
        ('[[modem]]\nname = "a"\ndriver = "."', "no driver named '.'"),
        ('[[modem]]\nname = "a"\ndriver = "pyvoip"\nserver = "x"', "'pyvoip' is for calls"),
        ('[voice]\ndriver = "serial"\nport = "x"', "'serial' is for modems"),
        ('[[modem]]\nname = "a/b"\nport = "x"', "'a/b' must be printable"),
        (modem("baudrate = 0"), "0 is too small; the least is 300 bit/s"),
        (modem('baudrate = "fast"'), "'fast' must be a number or one of 'auto'"),
        (modem('imei = "35-6938"'), "'35-6938' must be the 14 to 16 digits"),
        (modem('pin_file = "1234"'), "pin_file: must be the whole path of a file that holds the PIN"),
        (modem('power_cycle = "uhubctl \'x"'), "is no command: no closing quotation"),
        (
            modem() + modem(name="b"),
            "[[modem]] number 2 port: may be that of 'a'; name another port, or set imei for each",
        ),
        (modem(port="/dev/tty*") + modem(name="b"), "number 2 port: may be that of 'a'"),
        (modem() + modem(name="b", port="/dev/tty*"), "number 2 port: may be that of 'a'"),
        (modem(f'imei = "{IMEI}"') + modem(f'imei = "{IMEI}"', name="b"), "number 2 port: may be that of 'a'"),
        ('[sms]\norigin = "https://example.com/"', "must be a host name"),
        ('[voice]\ndriver = "pyvoip"', "[voice] server: is missing"),
        ("[[workflow]]\nid = 100\nsteps = []", "from 1 to 26 are needed"),
        ('[[workflow]]\nid = 100\nsteps = [{channel="fax", wait=5}]', 'channel \'fax\' must be "sms" or "tts"'),
        ('[[workflow]]\nid = 100\nsteps = [{channel="sms", wait=0}]', "wait 0 must be a whole number of seconds"),
        ('[[workflow]]\nid = 100\nsteps = [{channel="sms", wait=5, x=1}]', "no such key 'x'"),
        ('[[workflow]]\nid = 100\nsteps = [{channel="sms",wait=5}]\n' * 2, "number 2 id: 100 is taken"),
        ('[[workflow]]\nsteps = [{channel="sms",wait=5}]', "id: is missing; ids start at 100"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, mistake: str) -> None:
    assert any(mistake in told for told in mistakes(text)), mistakes(text)


def test_a_file_that_is_not_there_names_the_option() -> None:
    with pytest.raises(ConfigErrors, match=r"cannot use /nowhere/x\.toml: No such file or directory; .*--config"):
        load(Path("/nowhere/x.toml"))


def test_a_file_that_is_not_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigErrors, match="octet 5 is not UTF-8"):
        load(tmp_path / "x.toml")


def test_the_operators_workflows_stand_beside_the_presets() -> None:
    config = parse('[[workflow]]\nid = 100\nsteps = [{ channel = "tts", wait = 60 }]', HERE)
    assert config.workflows[100] == (Step(Channel.TTS, s(60)),)
    assert config.workflows.keys() == {1, 2, 3, 4, 5, 6, 7, 100}


def test_a_driver_brings_its_own_keys() -> None:
    config = parse(modem('baudrate = "auto"') + modem("baudrate = 9600", name="b", port="/dev/ttyUSB1"), HERE)
    assert [each.options.baudrate for each in config.modem] == ["auto", 9600]
    assert config.channels == {Channel.SMS}


@pytest.mark.parametrize("other", ["/dev/ttyUSB0", "/dev/tty/by/1"])
def test_a_port_may_lie_in_the_pattern_of_a_modem_with_an_imei(other: str) -> None:
    more = f'imei = "{IMEI}"' if other == "/dev/ttyUSB0" else ""
    assert len(parse(modem(more, port="/dev/tty*") + modem(name="büro 2", port=other), HERE).modem) == 2


def test_two_modems_may_share_a_pattern_if_each_has_its_imei() -> None:
    one, other = (modem(f'imei = "{IMEI[:-1]}{last}"', name=last, port="/dev/tty*") for last in "12")
    assert len(parse(one + other, HERE).modem) == 2


WITHOUT_PYVOIP = """
import sys
from pathlib import Path

sys.modules["pyVoIP"] = None
from daemon.config import ConfigErrors, parse

try:
    parse(sys.stdin.read(), Path("pinwheel.toml"))
except ConfigErrors as exc:
    print(exc)
"""


def test_a_driver_without_its_library_costs_its_own_keys_only() -> None:
    """The keys of the usual drivers used to be imported with the configuration, whatever it said."""
    text = '[api]\nuser = "x"\n[voice]\ndriver = "pyvoip"\n' + modem()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYVOIP], input=text, capture_output=True, text=True, check=True
    )
    assert "[api] user: no such key; the keys are" in done.stdout
    assert "[voice] driver: 'pyvoip' needs the Python package 'pyVoIP'" in done.stdout
    assert len(done.stdout.splitlines()) == 2
