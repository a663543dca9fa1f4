"""Registrations over real sockets, also after a crash: the contact of the earlier run must not prevent the new one."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from drivers import DeviceState
from drivers.pyvoip import Driver, Options, bindings
from drivers.pyvoip.bindings import Bindings
from drivers.sip.message import Message, parse
from tests.drivers.pyvoip.calling import becomes, driver
from tests.drivers.sip.agents import reply
from tests.drivers.sip.registrars import OLD, OneContact
from tests.gateway import Gateway, voice_section
from tests.peers.datagrams import DatagramPeer
from tests.peers.kamailio import PASSWORD, Kamailio

REFUSED_S = 20.0  # for so long Kamailio would answer 503, until the contact of the earlier run expires


class Asterisk(DatagramPeer):
    """`OneContact` on a socket."""

    def __init__(self, **options: Any) -> None:
        super().__init__("127.0.0.3")
        self.registrar = OneContact(**options)

    def answer(self, data: bytes) -> bytes:
        request = parse(data)
        status, headers = self.registrar.answer(request)
        kept = [(name, value) for name, value in request.headers if name in ("via", "from", "to", "call-id", "cseq")]
        return Message((*kept, *headers), status=status, reason="Whatever").encode()


def account(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "password").write_text(PASSWORD)
    state = {"state_file": str(tmp_path / "voice.json")}
    return {"register": True, "username": "gateway", "password_file": str(tmp_path / "password"), **state}


REGISTERS = """
import json, sys, threading
from drivers import DeviceState
from drivers.pyvoip import Driver, Options
ready = threading.Event()
opened = Driver("voice", Options(**json.loads(sys.argv[1])))
opened.open(lambda _: ready.set() if opened.status().state is DeviceState.READY else None)
print("ready" if ready.wait(30) else opened.status(), flush=True)
sys.stdin.read()
"""


def register_and_be_killed(server: str, **options: Any) -> None:
    """A driver in a process of its own that registers, and ends by SIGKILL: nothing is said to the registrar."""
    given = json.dumps({"server": server, "bind": "127.0.0.1:0", **options})
    command = [sys.executable, "-c", REGISTERS, given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        process.kill()
    assert said == "ready"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_restart_after_a_crash_is_registered_at_once_with_one_contact_allowed(tmp_path: Path, transport: str) -> None:
    """Kamailio as registrar with max_contacts=1; over TCP the new connection has a new port, and so a new Contact."""
    with Kamailio(tmp_path, "127.0.0.3:9", transport=transport, max_contacts=1) as trunk:
        options = {**account(tmp_path), "transport": transport}
        register_and_be_killed(trunk.address, **options)
        began = time.monotonic()
        with driver(trunk.address, **options) as again:
            assert again.status().registered
            assert time.monotonic() - began < REFUSED_S / 2


def test_a_restart_is_registered_at_once_where_every_nonce_is_good_once(tmp_path: Path) -> None:
    with Asterisk(uses=1) as trunk:
        for _ in range(2):
            with driver(trunk.address, **account(tmp_path)) as opened:
                assert opened.status().registered
                assert len(trunk.registrar.bound) == 1
            assert trunk.registrar.bound == []
        assert json.loads((tmp_path / "voice.json").read_text())["contacts"] == []


def test_the_same_port_and_instance_are_used_after_a_restart(tmp_path: Path) -> None:
    contacts = []
    with Asterisk() as trunk:
        for _ in range(2):
            register_and_be_killed(trunk.address, **account(tmp_path))
            contacts += [trunk.registrar.heard[-1].get("contact")]
    assert contacts[0] == contacts[1]
    assert '+sip.instance="<urn:uuid:' in contacts[0]


def test_a_registrar_that_holds_a_contact_that_we_do_not_know_is_asked_again(tmp_path: Path) -> None:
    with Asterisk(bound=["sip:gateway@192.0.2.1:1"]) as trunk:
        opened = Driver("voice", Options(trunk.address, bind="127.0.0.1:0", **account(tmp_path)))
        opened.open(lambda _: None)
        try:
            assert "403" in becomes(opened, DeviceState.FAILED)
            trunk.registrar.bound.clear()
            becomes(opened, DeviceState.READY)
        finally:
            opened.close()


class Refuser(DatagramPeer):
    """Answers 403 to everything."""

    def answer(self, data: bytes) -> bytes:
        return reply(parse(data), 403)


@pytest.mark.parametrize(("kept", "detail"), [((OLD,), "an earlier contact of ours"), ((), "check the account")])
def test_a_refusal_says_what_it_may_be_about(tmp_path: Path, kept: tuple[str, ...], detail: str) -> None:
    """There used to be a bug: the detail was "check the account", though a contact of an earlier run was the cause."""
    options = account(tmp_path)
    bindings.write(options["state_file"], Bindings("sip:gateway@127.0.0.3", 0, kept))
    with Refuser("127.0.0.3") as trunk:
        opened = Driver("voice", Options(trunk.address, bind="127.0.0.1:0", **options))
        opened.open(lambda _: None)
        try:
            assert detail in becomes(opened, DeviceState.FAILED)
        finally:
            opened.close()


def test_a_daemon_that_was_killed_is_registered_at_once_and_takes_its_contact_back(tmp_path: Path) -> None:
    """There used to be a bug: voice was down for 258 s after a restart; a state file beside the database ends that."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    with Asterisk(uses=1) as trunk:
        more = f'username = "gateway"\npassword_file = "{password}"\n'
        with Gateway(tmp_path, voice_section(trunk.address, more)) as gateway:
            (before,) = trunk.registrar.bound
            gateway.kill()
            gateway.start()
            gateway.ready()
            assert trunk.registrar.bound == [before]
        assert trunk.registrar.bound == []
    assert (tmp_path / "voice.json").stat().st_mode & 0o777 == 0o600
