"""The way to the trunk, seen from this machine beside the daemon: name, connection, certificate, NAT, audio. Pure."""

from collections.abc import Iterator

from daemon.lanes.snapshots import VOICE
from daemon.operations.doctor.facts import Answers, Audio, Prompts, Trunk
from daemon.operations.doctor.verdicts import RENEW_DAYS, Verdict, error, info, ok, skipped, warning

FULL = 0.9
REFUSED = {
    "401": ("wants a password", "set [voice] username and password_file"),
    "403": ("refuses this address", "ask the trunk to allow the address of this gateway"),
    "404": ("does not know this domain", "check [voice] server and domain"),
}


def name(trunk: Trunk) -> Iterator[Verdict]:
    if not trunk.seen.addresses:
        yield error(
            f"the name {trunk.server} has no address", f"check [voice] server; getent hosts {trunk.server}", VOICE
        )
    else:
        yield ok(f"{trunk.server} is {', '.join(trunk.seen.addresses[:3])}", VOICE)


def reached(trunk: Trunk) -> Iterator[Verdict]:
    if trunk.seen.unreachable:
        text = f"nothing answers at {trunk.server} by {trunk.transport}: {trunk.seen.unreachable}"
        yield error(text, "check [voice] server, transport and the firewall", VOICE)


def certificate(trunk: Trunk) -> Iterator[Verdict]:
    days = trunk.seen.certificate_days
    if trunk.seen.certificate_problem:
        yield error(
            f"the certificate of {trunk.server} is not trusted: {trunk.seen.certificate_problem}",
            "ask the trunk to renew it, or set [voice] tls_ca",
            VOICE,
        )
    elif days is not None and days < RENEW_DAYS:
        yield warning(f"the certificate of {trunk.server} ends in {days:.0f} days", "ask the trunk to renew it", VOICE)


def options(trunk: Trunk) -> Iterator[Verdict]:
    """Only where no registration says more; many servers answer OPTIONS of strangers with a refusal."""
    code = trunk.seen.answer[:3]
    if code in REFUSED and not trunk.registers:
        what, remedy = REFUSED[code]
        yield warning(f"{trunk.server} {what} ({trunk.seen.answer} to OPTIONS)", remedy, VOICE)


def nat(trunk: Trunk) -> Iterator[Verdict]:
    seen, ours = trunk.seen.seen_at.rpartition(":")[0], trunk.seen.ours.rpartition(":")[0]
    if seen and seen != ours and not trunk.external:
        text = f"behind a NAT: the trunk sees us at {seen}, we write {ours} into our messages"
        yield error(text, 'set [voice] external_address = "auto" and keepalive_seconds = 25', VOICE)


def rewritten(trunk: Trunk) -> Iterator[Verdict]:
    if trunk.seen.rewritten:
        text = "something on the way changes our SIP messages (a router's SIP ALG?)"
        yield warning(text, 'switch SIP ALG off in the router, or use transport = "tls"', VOICE)


# --- audio -----------------------------------------------------------------------------------------------------


def free(audio: Audio) -> Iterator[Verdict]:
    if audio.tried and audio.taken >= audio.tried * FULL:
        yield error(f"other programs have the audio ports {audio.ports}", "ss -lnup; set [voice] rtp_ports", VOICE)
    elif audio.taken:
        yield info(f"{audio.taken} of {audio.tried} audio ports that were tried are taken", "ss -lnup", VOICE)


def firewall(audio: Audio) -> Iterator[Verdict]:
    if audio.dropped is None:
        yield skipped("root sees it, where nft is installed", VOICE)
    elif audio.dropped:
        text = f"the firewall drops what comes in, and has no rule for the audio ports {audio.ports}"
        yield warning(text, f"nft add rule inet filter input udp dport {audio.ports} accept", VOICE)


# --- prompts ---------------------------------------------------------------------------------------------------


def spoken(prompts: Prompts) -> Iterator[Verdict]:
    if not prompts.spoken:
        yield error("no language can be spoken in calls", "pinwheel prompts check", VOICE)
    elif prompts.lacking:
        remedy = f"pinwheel prompts check {prompts.lacking[0]}"
        yield warning(f"calls in {', '.join(prompts.lacking)} are spoken in another language", remedy, VOICE)


def broken(prompts: Prompts) -> Iterator[Verdict]:
    for each in prompts.broken[:3]:
        yield warning(each, "pinwheel prompts check", VOICE)


# --- what a modem answers --------------------------------------------------------------------------------------


def service_centre(answers: tuple[Answers, ...]) -> Iterator[Verdict]:
    """+CSCA: "<sca>",<tosca> (27.005 3.3.1); without one nothing leaves, though the modem is registered."""
    for modem in answers:
        number = _field(modem, "AT+CSCA?", "+CSCA:", 0)
        if number == "":
            text = f"modem {modem.modem} has no number of a service centre (SMSC)"
            yield error(text, "put the SIM into a phone and set it there, or ask the carrier", modem.modem)


def store(answers: tuple[Answers, ...]) -> Iterator[Verdict]:
    """+CPMS: <mem1>,<used1>,<total1>,... (27.005 3.2.2)."""
    for modem in answers:
        used, total = (_number(_field(modem, "AT+CPMS?", "+CPMS:", place)) for place in (1, 2))
        if used >= total > 0:
            text = f"the SIM of modem {modem.modem} is full: {used} of {total} messages"
            yield warning(text, "delete its messages and drafts in a phone", modem.modem)


def roaming(answers: tuple[Answers, ...]) -> Iterator[Verdict]:
    """<stat> 5 of +CREG: registered, roaming (27.007 7.2)."""
    for modem in answers:
        if _field(modem, "AT+CREG?", "+CREG:", 1) == "5":
            yield info(f"modem {modem.modem} roams: messages may cost more", "", modem.modem)


def _field(answers: Answers, command: str, name: str, place: int) -> str | None:
    """None where the modem does not say."""
    line = next((each for each in answers.lines.get(command, ()) if each.startswith(name)), None)
    fields = line.removeprefix(name).split(",") if line is not None else []
    return fields[place].strip().strip('"') if len(fields) > place else None


def _number(field: str | None) -> int:
    """0 where the modem does not say, or says no number of at most nine digits."""
    return int(field) if field is not None and field.isdecimal() and len(field) < 10 else 0
