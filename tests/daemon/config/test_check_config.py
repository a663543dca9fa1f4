"""`pinwheeld --check-config`: every mistake is named with file, key and remedy, and what it calls good starts.

There used to be a dozen files that it called good, and with which the daemon or a device did not work.
"""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.config import inspect, parse
from daemon.operations.standby import FailedStarts
from daemon.start import EX_CONFIG, serve
from daemon.store.postgres.address import Address
from drivers.settings import FaultKind, Severity
from tests.daemon.config.checking import (
    ACCOUNT,
    FOREIGN,
    LOCAL,
    MODEM,
    SHIPPED,
    TCP,
    TRUNK,
    check_config,
    store,
    written,
)
from tests.gateway import until


def workflow(channel: str) -> str:
    return f'[[workflow]]\nid = 100\nsteps = [{{channel="{channel}", wait=9}}]'


def listener(certificate: str, key: str) -> str:
    return f'{TCP}tls_cert = "{{dir}}/{certificate}"\ntls_key = "{{dir}}/{key}"\n{ACCOUNT}'


def tls_trunk(certificate: str, key: str) -> str:
    return f'{LOCAL}transport = "tls"\ntls_cert = "{{dir}}/{certificate}"\ntls_key = "{{dir}}/{key}"\n'


MISTAKES: tuple[tuple[str, str, str], ...] = (
    # no TOML, with what people usually mean
    ("\ufeff" + MODEM, "line 1", "save it as UTF-8 without BOM"),
    ("[[modem]]\nname = \u201csim1\u201d\n", "[[modem]] name: line 2", "write plain ones"),
    ("[clock]\nspeed = fast\n", "[clock] speed: line 2", 'put the text in quotes: "..."'),
    ("[prompts]\ndirectory = /srv/prompts\n", "[prompts] directory: line 2", "put the text in quotes"),
    ("[sms]\nflash = True\n", "[sms] flash: line 2", "write true or false"),
    ("[api]\nsocket_mode = 0660\n", "[api] socket_mode: line 2", 'put it in quotes: "0660"'),
    ("[security]\ncancel_after = 30s\n", "[security] cancel_after: line 2", "write the number alone"),
    ('[sms]\norigin: "example.com"\n', "[sms] origin: line 2", "write = in place of"),
    ('[sms]\norigin = "example.com\n', "[sms] origin: line 2", "the closing quote is missing"),
    ("[sms\nflash = true\n", "line 1", "the closing ] is missing"),
    ("[sms]\nflash =\n", "[sms] flash: line 2", "the value is missing"),
    ("; a comment\n[sms]\n", "line 1", "a comment begins with #"),
    ("[sms]\nflash = true\nflash = false\n", "[sms] flash: line 3", "twice"),
    ('[sms]\nflash = true\n[sms]\norigin = "a.example"\n', "[sms]: line 3", "put its keys together"),
    ('[voice]\ncaller_id = "A\\B"\n', "[voice] caller_id: line 2", "write a backslash in a text twice"),
    # sections and keys
    ('socket = "/run/x.sock"\n' + MODEM, "socket", "it is a key of [api]"),
    ("[apy]\n", "[apy]", "did you mean 'api'?"),
    ('[api]\nsocet = "/x"\n', "[api] socet", "did you mean 'socket'?"),
    ('[voice]\nserver = "pbx.example"\n', "[voice] server", 'with driver = "pyvoip" only'),
    ('[voice]\ndriver = "asterisk"\n', "[voice] driver", 'it can be "pyvoip" or "none"'),
    ("", "[[modem]] and [voice] driver", "nothing can be sent; run pinwheel setup"),
    ('[api]\nurl = "sqlite:////var/lib/pinwheel/p.db"\n', "[api] url", "it belongs to [store]"),
    ('[api]\npassword_file = "/x"\n', "[api] password_file", "it belongs to [store] and [voice]"),
    ('port = "/dev/ttyUSB0"\n' + MODEM, "port", "it is a key of [[modem]]"),
    # [canary]
    (MODEM + "[canary]\nevery = 3600\n", "[canary] every", "needs a [[modem]] with its number"),
    (MODEM + 'number = "+447700900123"\n[canary]\nevery = 60\n', "[canary] every", "must be 0 or at least 300"),
    (MODEM + '[canary]\nnumber = "+447700900123"\n', "[canary] number", "needs a [voice] driver"),
    (MODEM + 'number = "0770"\n', "[[modem]] number 1 number", "must be an international number"),
    # [api]
    ('[api]\nsocket = "control.sock"\n', "[api] socket", "must be a whole path"),
    (f'[api]\nsocket = "/run/{"x" * 120}"\n', "[api] socket", "take a shorter path"),
    ('[api]\nsocket = "{dir}/secret"\n', "[api] socket", "exists and is not a socket"),
    ('[api]\nsocket_mode = "rw-rw----"\n', "[api] socket_mode", 'an octal mode such as "0660"'),
    ('[api]\nsocket_mode = "0060"\n', "[api] socket_mode", "keeps the daemon's own user out"),
    ("[api]\nallow_uids = [-1]\n", "[api] allow_uids", "the least is 0"),
    ('[api]\ntcp = "8790"\n' + ACCOUNT, "[api] tcp", 'must be "address:port"'),
    ('[api]\ntcp = "127.0.0.1:99999"\n' + ACCOUNT, "[api] tcp", "a port is a number up to 65535"),
    ('[api]\ntcp = "::1:8790"\n' + ACCOUNT, "[api] tcp", "an IPv6 address stands in brackets"),
    ('[api]\ntcp = "gateway:8790"\n' + ACCOUNT, "[api] tcp", "must begin with an IP address"),
    ('[api]\ntcp = "0.0.0.0:8790"\n' + ACCOUNT, "[api] tcp", "so it needs tls_cert and tls_key"),
    (FOREIGN + ACCOUNT, "[api] tcp", "no address of this machine"),
    (TCP, "[api] tcp", "needs at least one [[account]]"),
    (TCP + 'tls_cert = "{dir}/cert.pem"\n' + ACCOUNT, "[api] tls_key", "is missing; give both"),
    (listener("none.pem", "key.pem"), "[api] tls_cert", "there is no file {dir}/none.pem"),
    (listener("cert.pem", "other/key.pem"), "[api] tls_cert", "does not belong to the certificate"),
    (listener("secret", "key.pem"), "[api] tls_cert", "no PEM certificate with its private key"),
    (TRUNK + 'username = "a@pbx.example"\n', "[voice] username", "what follows that is domain"),
    (listener("cert.pem", "locked.pem"), "[api] tls_cert", "wants a passphrase; run: openssl pkey"),
    (listener("ended/cert.pem", "ended/key.pem"), "[api] tls_cert", "renew it"),
    (listener("early/cert.pem", "early/key.pem"), "[api] tls_cert", "is the clock right?"),
    (listener("cert.pem", "open.pem"), "[api] tls_cert", "run: chmod o= {dir}/open.pem"),
    # [store], [security]
    (store("sqlite:///pinwheel.db"), "[store] url", "so that there are four slashes"),
    (store("mysql://pinwheel:hunter2@db/pinwheel"), "[store] url", 'must start with "sqlite:///" or "postgresql://"'),
    (store("postgresql://pinwheel:hunter2@db"), "[store] url", "must name one database"),
    (store("postgresql://pinwheel:hunter2@db/a/b"), "[store] url", "must name one database"),
    (store("postgresql://pinwheel:hunter2@db/a#b"), "[store] url", "must name one database"),
    (store("postgresql://pinwheel:hunter2@db:port/a"), "[store] url", "its host or its port cannot be read"),
    (store("postgresql://pinwheel:hunter/2@db/a"), "[store] url", "write %40 for an @ and %2F for a /"),
    (store("postgresql://[/a"), "[store] url", "its host or its port cannot be read"),
    (store("postgresql://pinwheel@db/a?password=hunter2"), "[store] url", "name that as password_file"),
    (store("postgresql://pinwheel@db/a?sslmod=require"), "[store] url", "there is another"),
    (store("postgresql://pinwheel@db/a?hunter2"), "[store] url", "must be name=value"),
    (store("postgresql://pinwheel@db/a?sslmode="), "[store] url", "sslmode behind the "),
    (store("postgresql://pinwheel@db/a?host=/a&host=/b"), "[store] url", "stands there twice"),
    (store("postgresql://pinwheel@db/a") + 'password_file = "{dir}/none"\n', "[store] password_file", "{dir}/none"),
    (store("sqlite:///{dir}/p.db?mode=ro"), "[store] url", "without options"),
    (store("sqlite:///{dir}"), "[store] url", "is a directory; name a file"),
    (store("sqlite:///{dir}/secret/p.db"), "[store] url", "{dir}/secret is no directory"),
    (store("sqlite:///{dir}/secret"), "[store] url", "is no SQLite database"),
    ('[security]\nkey_file = "key"\n', "[security] key_file", "must be a whole path"),
    ('[security]\nkey_file = "{dir}/none"\n', "[security] key_file", "No such file"),
    ('[security]\nkey_file = "{dir}/secret"\n', "[security] key_file", "needs 32; run: head -c 32"),
    ('[security]\nallow_prefixes = ["+44"]\n', "[security] allow_prefixes", 'digits without "+"'),
    ('[security]\nallow_prefixes = ["0044"]\n', "[security] allow_prefixes", "must begin with a country code"),
    ('[security]\nallow_prefixes = ["447"]\ndeny_prefixes = ["44"]\n', "[security] deny_prefixes", "remove one"),
    # [[account]]
    (TCP + '[[account]]\nsecret_file = "{dir}/secret"\n', "[[account]] number 1 key", "is missing"),
    (TCP + ACCOUNT + ACCOUNT, "[[account]] number 2 key", "is taken; each account needs its own"),
    (TCP + ACCOUNT.replace("abcd", "a:b"), "[[account]] number 1 key", 'must not have a ":"'),
    (TCP + ACCOUNT.replace('secret"', 'none"'), "[[account]] number 1 secret_file", "make it, or correct the path"),
    (ACCOUNT.replace('secret"', 'none"'), "[[account]] number 1 secret_file", "make it, or correct the path"),
    (TCP + ACCOUNT.replace('secret"', 'empty"'), "[[account]] number 1 secret_file", "write the secret into it"),
    (TCP + ACCOUNT.replace('secret"', 'open"'), "[[account]] number 1 secret_file", "run: chmod o= {dir}/open"),
    (TCP + ACCOUNT.replace('secret"', 'latin1"'), "[[account]] number 1 secret_file", "is not text in UTF-8"),
    (TCP + ACCOUNT.replace('secret"', 'lines"'), "[[account]] number 1 secret_file", "only the secret may stand"),
    (TCP + ACCOUNT.replace('/secret"', '"'), "[[account]] number 1 secret_file", "is a directory; name a file"),
    (TCP + ACCOUNT.replace('secret"', 'fifo"'), "[[account]] number 1 secret_file", "is no regular file"),
    # [[modem]]
    ('[[modem]]\nport = "/dev/ttyUSB0"\n', "[[modem]] number 1 name", 'is missing; e.g. name = "sim1"'),
    ('[[modem]]\nname = "sim1"\n', "[[modem]] number 1 port", "is missing"),
    ('[[modem]]\nname = "sim1"\nport = "ttyUSB0"\n', "[[modem]] number 1 port", 'or "/dev/ttyUSB0"'),
    ('[[modem]]\nname = "sim1"\nport = "{dir}/secret"\n', "[[modem]] number 1 port", "is no serial port"),
    (MODEM + "pin_file = 4711\n", "[[modem]] number 1 pin_file", "must be a text in quotes"),
    (MODEM + 'pin_file = "{dir}/none"\n', "[[modem]] number 1 pin_file", "make it, or correct the path"),
    (MODEM + 'pin_file = "{dir}/secret"\n', "[[modem]] number 1 pin_file", "a PIN of 4 to 8 digits"),
    (MODEM + 'power_cycle = "uhub-control -a"\n', "[[modem]] number 1 power_cycle", "no program uhub-control"),
    (MODEM + "hourly_limit = -1\n", "[[modem]] number 1 hourly_limit", "the least is 0"),
    # [voice]
    ('[voice]\ndriver = "pyvoip"\n', "[voice] server", "is missing"),
    (TRUNK.replace("192.0.2.1", "192.0.2.400"), "[voice] server", "is no IP address"),
    (TRUNK.replace("192.0.2.1", "sip:pbx.example:5060"), "[voice] server", "must be a name or an address"),
    (TRUNK.replace("192.0.2.1", "2001:db8::1"), "[voice] server", "an IPv6 address stands in brackets"),
    (TRUNK.replace("192.0.2.1", "[2001:db8::1]"), "[voice] bind", 'take "[::]:0"'),
    (TRUNK + 'transport = "sctp"\n', "[voice] transport", "must be one of 'udp', 'tcp', 'tls'"),
    (TRUNK + 'bind = "127.0.0.1"\n', "[voice] bind", 'has no port; write "127.0.0.1:0"'),
    (TRUNK + 'bind = "127.0.0.1:5060"\n', "[voice] bind", "is loopback, which 192.0.2.1 cannot be reached from"),
    (TRUNK + 'bind = "192.0.2.77:5060"\n', "[voice] bind", "is no address of this machine"),
    (TRUNK + 'rtp_ports = "49999-40000"\n', "[voice] rtp_ports", 'is backwards; write "40000-49999"'),
    (TRUNK + 'rtp_ports = "40001-49999"\n', "[voice] rtp_ports", "must begin with an even port"),
    (TRUNK + 'rtp_ports = "40000"\n', "[voice] rtp_ports", 'must be "LOW-HIGH"'),
    (
        TRUNK + 'rtp_ports = "40000-40009"\n',
        "[voice] rtp_ports",
        'enough for 5 calls, and max_calls is 50; e.g. "40000-40099"',
    ),
    (TRUNK + 'rtp_ports = "40000-70000"\n', "[voice] rtp_ports", "between 1024 and 65535"),
    (TRUNK + 'dial = "{number}"\n', "[voice] dial", "there is no '{number}'; there are {e164}"),
    (TRUNK + 'dial = "0{e164"\n', "[voice] dial", "there is no '{'"),
    (TRUNK + 'dial = "+4420"\n', "[voice] dial", "would call the same number for everybody"),
    (TRUNK + 'password_file = "hunter2"\n', "[voice] password_file", "must be a whole path"),
    (TRUNK + 'username = "a"\npassword_file = "{dir}/none"\n', "[voice] password_file", "make it, or correct the path"),
    (TRUNK + 'username = "a"\npassword_file = "{dir}/open"\n', "[voice] password_file", "run: chmod o="),
    (TRUNK + 'password_file = "{dir}/secret"\n', "[voice] password_file", "set username"),
    (TRUNK + 'username = "a b"\n', "[voice] username", "characters that a SIP user cannot have"),
    (TRUNK + 'caller_id = "a\\r\\nb: c"\n', "[voice] caller_id", "must be one line"),
    (TRUNK + 'domain = "sip.example/x"\n', "[voice] domain", "must be a host name or an address"),
    (TRUNK + 'external_address = "auto"\ntransport = "tcp"\n', "[voice] external_address", "write the address itself"),
    (TRUNK + 'tls_ca = "{dir}/cert.pem"\n', "[voice] tls_ca", 'it is used only with transport = "tls"'),
    (LOCAL + 'transport = "tls"\ntls_ca = "{dir}/secret"\n', "[voice] tls_ca", "holds no PEM certificate"),
    (LOCAL + 'transport = "tls"\ntls_key = "{dir}/key.pem"\n', "[voice] tls_key", "set tls_cert"),
    (tls_trunk("cert.pem", "other/key.pem"), "[voice] tls_cert", "does not belong to the certificate"),
    (tls_trunk("ended/cert.pem", "ended/key.pem"), "[voice] tls_cert", "renew it"),
    (LOCAL + 'state_file = "{dir}"\n', "[voice] state_file", "is a directory; name a file"),
    (TRUNK + "keepalive_seconds = 86400\n", "[voice] keepalive_seconds", "the most is 3600 s"),
    # [sms], [prompts], [[workflow]], [clock]
    ('[sms]\norigin = "https://example.com/"\n', "[sms] origin", 'a host name such as "example.com"'),
    ('[prompts]\ndirectory = ""\n', "[prompts] directory", "is missing"),
    ('[prompts]\ndirectory = "prompts"\n', "[prompts] directory", "must be a whole path"),
    ('[prompts]\ndirectory = "{dir}/secret"\n', "[prompts] directory", "is no directory"),
    ('[prompts]\nengine = "festival"\n', "[prompts] engine", "must be one of 'gtts', 'piper', 'espeak'"),
    ('[prompts]\nbrands = ["!!"]\n', "[prompts] brands", "has no letter and no digit"),
    ('[prompts]\nbrands = ["A brand of nineteen"]\n', "[prompts] brands", "more than 18 characters"),
    ("[[workflow]]\nid = 5\nsteps = []\n", "[[workflow]] number 1 id", "the least is 100"),
    (
        MODEM + '[[workflow]]\nid = 100\nsteps = [{channel="tts", wait=9}]',
        "[[workflow]] number 1 steps",
        "driver is none",
    ),
    (
        LOCAL + '[[workflow]]\nid = 100\nsteps = [{channel="sms", wait=9}]',
        "[[workflow]] number 1 steps",
        "no [[modem]]",
    ),
    (TRUNK + 'bind = ""\n', "[voice] bind", 'with a port, e.g. "0.0.0.0:5060"'),
    ("[clock]\nspeed = nan\n", "[clock] speed", "is too small"),
)


@pytest.mark.parametrize(("toml", "key", "remedy"), MISTAKES, ids=map(str, range(len(MISTAKES))))
def test_a_mistake_is_named_with_file_key_and_remedy(place: Path, toml: str, key: str, remedy: str) -> None:
    path = written(place, toml)
    done = check_config(path)
    remedy = remedy.replace("{dir}", str(place))
    told = [line for line in done.output.splitlines() if line.startswith(f"cannot use {path}: {key}")]
    assert any(remedy in line for line in told), done.output
    assert done.exit_code == 1
    assert "good" not in done.output
    for never in ("s3cret", "hunter2", "4711", "<Kind"):
        assert never not in done.output


def test_a_password_that_no_database_needs_is_a_warning(place: Path) -> None:
    path = written(place, store("sqlite:///{dir}/p.db") + 'password_file = "{dir}/secret"\n')
    assert f"warning: {path}: [store] password_file: a SQLite file has no password" in check_config(path).output


def test_a_configuration_shows_no_password_of_a_database() -> None:
    config = parse(store("postgresql://pinwheel:hunter2@db/pinwheel"), Path("pinwheel.toml"))
    assert "hunter2" not in repr(config)
    assert "hunter2" not in f"{Address.of(config.store.url)} {Address.of(config.store.url)!r}"
    assert str(Address.of(config.store.url)) == "pinwheel at db"
    assert Address.of("postgresql://a%40b:x%2Fy@db:5433/p?sslmode=require").parameters == {
        "host": "db",
        "port": "5433",
        "user": "a@b",
        "password": "x/y",
        "dbname": "p",
        "sslmode": "require",
    }


@pytest.mark.parametrize("toml", [row[0] for row in MISTAKES], ids=map(str, range(len(MISTAKES))))
def test_a_start_refuses_what_the_check_calls_fatal(place: Path, toml: str, caplog: pytest.LogCaptureFixture) -> None:
    """The same code runs at both; what is not fatal is logged, and the daemon starts."""
    path = written(place, toml)
    inspection = inspect(path)
    assert inspection.mistakes
    if any(finding.severity is Severity.FATAL for finding in inspection.findings):
        assert serve(path, [], FailedStarts(None)) == EX_CONFIG
        assert all(str(mistake) in caplog.text for mistake in inspection.mistakes)


GOOD = (
    MODEM,
    listener("cert.pem", "key.pem") + tls_trunk("cert.pem", "key.pem") + 'tls_ca = "{dir}/cert.pem"\n',
    '[api]\ntcp = "localhost:8790"\n' + ACCOUNT + LOCAL + 'username = "a"\npassword_file = "{dir}/secret"\n'
    'dial = "00{digits}"\ncaller_id = "Acme"\nrtp_ports = "40000-40099"\n'
    '[prompts]\ndirectory = "{dir}/none"\nbrands = ["Ω Ltd"]\n',
)


@pytest.mark.parametrize("toml", GOOD)
def test_what_the_check_accepts_starts(tmp_path: Path, place: Path, toml: str) -> None:
    more = f'socket = "{tmp_path}/own.sock"\n'
    api = toml.replace("[api]\n", f"[api]\n{more}") if "[api]" in toml else f"[api]\n{more}{toml}"
    path = written(place, api + store(f"sqlite:///{tmp_path}/p.db"), "good.toml")
    done = check_config(path)
    assert done.exit_code == 0, done.output
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "daemon.main", "--config", str(path)], stderr=log)
    try:
        until(lambda: "state=ready" in (tmp_path / "log").read_text() or process.poll() is not None, "the start")
        assert process.poll() is None, (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def test_what_only_may_be_wrong_is_a_warning(place: Path) -> None:
    done = check_config(written(place, MODEM))
    assert done.exit_code == 0
    assert f"warning: {place}/pinwheel.toml: [[modem]] number 1 port: there is no port" in done.output
    assert "can be used, with 1 warning(s)" in done.output


def test_a_port_in_use_is_a_warning(place: Path) -> None:
    """With a daemon that runs it used to ask for "another program", after each edit."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.bind(("127.0.0.1", 0))
        tcp = TCP.replace("8790", str(taken.getsockname()[1])) + ACCOUNT
        path = written(place, tcp + LOCAL.replace(":0", f":{sip.getsockname()[1]}"))
        done = check_config(path)
        assert [each.kind for each in inspect(path).findings].count(FaultKind.ADDRESS_IN_USE) == 2
    assert done.exit_code == 0, done.output
    assert done.output.count("is in use now, by pinwheeld if it runs; else look who has it: ss -lnptu") == 2


def test_what_breaks_one_part_only_is_logged_at_a_start(tmp_path: Path, place: Path) -> None:
    """An expired certificate, or a SIM's PIN that cannot be read, does not keep the rest from its work."""
    toml = listener("ended/cert.pem", "ended/key.pem") + MODEM + 'pin_file = "{dir}/none"\n'
    toml = toml.replace("8790", "0").replace("[api]", f'[api]\nsocket = "{tmp_path}/own.sock"')
    toml = toml.replace(":0", ":18790") + store(f"sqlite:///{tmp_path}/p.db")
    path = written(place, toml, "part.toml")
    assert check_config(path).exit_code == 1
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "daemon.main", "--config", str(path)], stderr=log)
    try:
        until(lambda: "state=ready" in (tmp_path / "log").read_text() or process.poll() is not None, "the start")
        told = (tmp_path / "log").read_text()
        assert process.poll() is None, told
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    for key in ("[api] tls_cert", "[[modem]] number 1 pin_file"):
        assert f"ERROR pinwheel config={path} mistake={key!r:.{len(key) + 1}}" in told


def test_several_mistakes_come_out_at_once(place: Path) -> None:
    toml = '[api]\nsocet = "/x"\n[clock]\nspeed = "fast"\n[[modem]]\nname = "sim1"\n'
    toml += '[prompts]\ndirectory = "{dir}/secret"\n'
    done = check_config(written(place, toml))
    for part in ("[api] socet", "[clock] speed", "[[modem]] number 1 port", "[prompts] directory"):
        assert f"cannot use {place}/pinwheel.toml: {part}" in done.output


def test_the_shipped_file_needs_only_a_device() -> None:
    done = check_config(SHIPPED)
    assert [line.split("; ")[0] for line in done.output.splitlines()] == [
        f"cannot use {SHIPPED}: [[modem]] and [voice] driver: nothing can be sent"
    ]


@pytest.mark.parametrize(
    ("toml", "kind"),
    [
        (MODEM, FaultKind.NO_PORT),
        (MODEM.replace("/port", "/secret"), FaultKind.WRONG_PORT),
        (MODEM + MODEM.replace("sim1", "sim2"), FaultKind.WRONG_PORT),
        (ACCOUNT.replace("/secret", "/open"), FaultKind.READABLE),
        ('[security]\nkey_file = "{dir}/open"\n', FaultKind.READABLE),
        (ACCOUNT.replace("/secret", "/none"), FaultKind.VALUE),
    ],
)
def test_a_fault_has_the_kind_by_which_the_doctor_sorts(place: Path, toml: str, kind: FaultKind) -> None:
    """There used to be a sorting by words of its text."""
    assert kind in {finding.kind for finding in inspect(written(place, toml)).findings}
