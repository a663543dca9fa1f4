"""The way to the trunk, seen from this machine beside the daemon: name, connection, certificate, NAT. Pure."""

from collections.abc import Iterator

from daemon.lanes.snapshots import VOICE
from daemon.operations.doctor.facts import Trunk
from daemon.operations.doctor.verdicts import RENEW_DAYS, Verdict, error, ok, warning

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
