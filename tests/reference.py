"""The parts of docs/ that are made from the code: `python -m tests.reference` writes them, a test compares.

In a document, such a part stands between `<!-- made: NAME -->` and `<!-- end -->`.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from daemon.api import v1_statuses as v1
from daemon.api.app import ROUTES
from daemon.api.params import invalid, missing
from daemon.api.verify import WANTING
from daemon.cli import main as pinwheel
from daemon.config.keys import SECTIONS, TABLE_ARRAYS
from daemon.core.commands import CANCEL_AFTER
from daemon.core.model import Channel
from daemon.core.outcomes import EventHasRun, TooEarly
from daemon.core.workflows import WORKFLOWS
from daemon.main import main as pinwheeld
from daemon.operations.reload_effects import DRIVER, EFFECTS, Effect
from daemon.operations.wording import OF_A_DELIVERY, OF_A_REQUEST

ROOT = Path(__file__).resolve().parents[1]
PART = re.compile(r"(?P<head><!-- made: (?P<name>\w+) -->\n).*?(?P<foot><!-- end -->)", re.DOTALL)
WHEN = {Effect.LIVE: "reload", Effect.RESTART: "restart", Effect.COMMANDS: "next command"}


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def commands() -> Iterator[str]:
    for name, program in (("pinwheel", pinwheel), ("pinwheeld", pinwheeld)):
        yield from _command(program, name)


def _command(command: click.Command, words: str) -> Iterator[str]:
    context = click.Context(command, info_name=words, **command.context_settings)
    yield f"\n## {words}\n"
    yield f"`{words} {' '.join(command.collect_usage_pieces(context))}`\n"
    yield from (f"{text}\n" for text in _paragraphs(command.help or ""))
    records = [param.get_help_record(context) for param in command.params]
    options = [(f"`{record[0]}`", " ".join(record[1].split())) for record in records if record is not None]
    if options:
        yield from table(("option", "what it does"), iter(options))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _command(below, f"{words} {name}")


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield "```\n" + paragraph.removeprefix("\b").strip("\n") + "\n```"
        else:
            yield " ".join(paragraph.split())


def keys() -> Iterator[str]:
    for name, section in {**SECTIONS, **TABLE_ARRAYS}.items():
        yield f"\n## {'[[' if name in TABLE_ARRAYS else '['}{name}{']]' if name in TABLE_ARRAYS else ']'}\n"
        yield from table(("key", "default", "after a change", "what it is"), _keys(name, section))


def _keys(name: str, section: Any) -> Iterator[tuple[str, ...]]:
    effects = EFFECTS[name]
    for key in fields(section):
        if "help" in key.metadata:
            unit = f" ({key.metadata['unit']})" if key.metadata["unit"] else ""
            default = key.default_factory() if callable(key.default_factory) else key.default
            when = WHEN[effects.get(key.name, effects.get(DRIVER, Effect.RESTART))]
            yield f"`{key.name}`{unit}", f"`{_toml(default)}`", when, key.metadata["help"]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def routes() -> Iterator[str]:
    def rows() -> Iterator[tuple[str, ...]]:
        for path, methods, role, handler in ROUTES:
            if not path.startswith("/verify"):
                text = " ".join(inspect.cleandoc(handler.__doc__ or "").partition("\n\n")[0].split())
                text = re.sub(r"^POST[: ]*", "", text)
                yield f"`{' '.join(methods)} {path}`", str(role), text

    yield from table(("route", "who", "what"), rows())


def statuses() -> Iterator[str]:
    said = [each for each in vars(v1).values() if isinstance(each, v1.Sentence)]
    said += [each for each in v1.OUTCOMES.values() if isinstance(each, v1.Sentence)]
    said += [v1.sentence(each) for each in (TooEarly(CANCEL_AFTER), EventHasRun(2))]
    said += [missing("number").sentence, invalid("number").sentence, v1.unprocessable(7, WANTING[Channel.TTS])]

    def rows() -> Iterator[tuple[str, ...]]:
        for code in v1.Code:
            texts = dict.fromkeys(each.text for each in said if each.code is code and each.text)
            yield str(int(code)), code.name.lower().replace("_", " "), " / ".join(texts)

    yield from table(("status", "name", "what the gateway says"), rows())


def events() -> Iterator[str]:
    """`failed` is said of both."""
    for what, known in (("of a request", OF_A_REQUEST), ("of one event of it", OF_A_DELIVERY)):
        yield from table((what, "what happened"), ((f"`{kind}`", words) for kind, words in known.items()))
        yield ""


def workflows() -> Iterator[str]:
    def rows() -> Iterator[tuple[str, ...]]:
        for number, steps in WORKFLOWS.items():
            events = (f"{'SMS' if step.channel is Channel.SMS else 'call'}, {int(step.wait) // 1000}" for step in steps)
            yield str(number), ", ".join(events)

    yield from table(("`workflow_id`", "events, and the seconds after each"), rows())


MAKERS: Mapping[str, Callable[[], Iterator[str]]] = {
    "commands": commands,
    "keys": keys,
    "routes": routes,
    "statuses": statuses,
    "events": events,
    "workflows": workflows,
}


def made(document: str) -> str:
    """A document with its parts as the code has them now."""

    def part(found: re.Match[str]) -> str:
        return found["head"] + "\n".join(MAKERS[found["name"]]()).strip("\n") + "\n" + found["foot"]

    return PART.sub(part, document)


def main() -> None:
    for file in sorted((ROOT / "docs").glob("*.md")):
        before = file.read_text()
        if made(before) != before:
            file.write_text(made(before))
            print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
