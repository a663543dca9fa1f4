"""`python -m drivers.simulated`: a simulated modem and a simulated phone, for the demo and for trials.

Each line on standard output is a JSON object: what the handset or the phone got; the first names the modem's port
and the phone's address. They run until SIGTERM, Ctrl-C, or (--until-eof) the end of standard input.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

from drivers.simulated import centre
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import HANDSETS, PhoneEvent, SimulatedPhone


def _tables() -> str:
    """Both tables of handsets, for --help."""
    messages = [f"{ending}  {handset.help}" for ending, handset in centre.HANDSETS.items()]
    calls = [f"{ending}  {handset.does}" for ending, handset in HANDSETS.items()]
    return "\n".join(
        [
            "\b",
            "The last two digits of a number choose what its handset does with an SMS:",
            *messages,
            "",
            "\b",
            "and with a call:",
            *calls,
            "",
            "All others take the message, report delivery, answer the call and listen. Not imitated: radio, carriers",
            "and their delays, USB, flow control, SIM toolkit, NAT, TLS, codecs but G.711, voicemail.",
        ]
    )


def _report(device: str, event: str, **details: Any) -> None:
    line = {"at": round(time.time(), 3), **({"device": device} if device else {}), "event": event, **details}
    sys.stdout.write(json.dumps(line) + "\n")  # one write: two threads print
    sys.stdout.flush()


def _report_call(event: PhoneEvent) -> None:
    wav = str(event.wav) if event.wav else None
    _report("phone", event.kind, number=event.number, wav=wav, seconds=event.seconds, status=event.status)


@click.command(help="Run a simulated modem and a simulated phone until they are stopped.", epilog=_tables())
@click.option("--modem", type=click.Path(path_type=Path), help="A link to the modem's port is made here.")
@click.option("--phone", default="127.0.0.2:0", show_default=True, help="Loopback address and port of the phone.")
@click.option("--recordings", type=click.Path(file_okay=False, path_type=Path), help="Where calls are recorded.")
@click.option("--network-s", default=0.5, show_default=True, help="How many seconds the network takes for a message.")
@click.option("--ring-s", default=1.0, show_default=True, help="How many seconds the phone rings.")
@click.option("--until-eof", is_flag=True, help="Stop at the end of standard input, too.")
def main(
    modem: Path | None, phone: str, recordings: Path | None, network_s: float, ring_s: float, until_eof: bool
) -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())

    def handset(number: str, text: str) -> None:
        _report("modem", "sms", number=number, text=text)

    def watch_input() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stopped.set()

    modem_device = SimulatedModem(modem, handset=handset, network_s=network_s)
    phone_device = SimulatedPhone(phone, recordings=recordings, listener=_report_call, ring_s=ring_s)
    try:
        phone_device.open()
    except (OSError, ValueError) as exc:
        raise click.ClickException(f"cannot open the phone at {phone}: {exc}") from exc
    with modem_device:
        _report("", "ready", modem=modem_device.port, phone=phone_device.address)
        if until_eof:
            threading.Thread(target=watch_input, daemon=True).start()
        stopped.wait()
    phone_device.close()


if __name__ == "__main__":
    main()
