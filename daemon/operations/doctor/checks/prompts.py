"""What is spoken in calls: is it there in the languages that are likely, and is it whole? Pure."""

from collections.abc import Iterator

from daemon.lanes.snapshots import VOICE
from daemon.operations.doctor.facts import Prompts
from daemon.operations.doctor.verdicts import Verdict, error, warning


def lacking(prompts: Prompts) -> Iterator[Verdict]:
    if not prompts.spoken:
        yield error("no language can be spoken in calls", "pinwheel prompts check", VOICE)
    elif prompts.lacking:
        remedy = f"pinwheel prompts check {prompts.lacking[0]}"
        yield warning(f"calls in {', '.join(prompts.lacking)} are spoken in another language", remedy, VOICE)


def broken(prompts: Prompts) -> Iterator[Verdict]:
    for each in prompts.broken[:3]:
        yield warning(each, "pinwheel prompts check", VOICE)
