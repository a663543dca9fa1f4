"""The ports for the audio of calls: are they free, and does the firewall let them in? Pure."""

from collections.abc import Iterator

from daemon.lanes.snapshots import VOICE
from daemon.operations.doctor.facts import Audio
from daemon.operations.doctor.verdicts import Verdict, error, info, skipped, warning

FULL = 0.9


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
