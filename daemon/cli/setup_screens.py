"""The screens of `pinwheel setup`: what is printed, and what is typed."""

import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from daemon.cli.context import SCREEN, tell

if TYPE_CHECKING:
    from daemon.operations.setup.model import Outcome, Question, Task

DOING: Mapping[str, str] = {
    "find": "looking for modems ...",
    "probe": "asking what answers there ...",
    "free": "asking pinwheeld for the port ...",
    "network": "waiting for the network ...",
    "sms": "sending an SMS ...",
    "register": "trying the trunk ...",
    "call": "calling ...",
    "plan": "",
    "write": "writing ...",
    "start": "starting pinwheeld ...",
}


@dataclass
class Screen:
    """given: answers of a file, each used once. before: called before a question is asked."""

    given: dict[str, str] = field(repr=False)
    before: Callable[["Question"], None] = lambda _: None
    _section: str = ""

    def ask(self, question: "Question") -> str:
        """An answer that fits. Raises ClickException where nobody can be asked, Abort at the end of input."""
        self._head(question.section)
        self.before(question)
        self._lines("", question.notes)
        if question.name in self.given:
            return self._from_file(question, self.given.pop(question.name))
        if not sys.stdin.isatty():
            raise click.ClickException(f'an answer is missing: {question.name} = "..."  # {question.text}')
        listed = question.choices if not _is_short(question) else ()
        for number, choice in enumerate(listed, 1):
            self._lines(f"{number:2}  ", (choice.text,))
            self._lines("    ", choice.more)
        while True:
            answer = self._typed(question)
            if not (mistake := question.mistake(answer)):
                return answer
            self._lines("", (f"{mistake}.",))

    def _typed(self, question: "Question") -> str:
        values = [choice.value for choice in question.choices]
        short, default = _is_short(question), question.default
        if default in values and not short:
            default = str(values.index(default) + 1)
        text = f"  {question.text}{' (yes/no)' * short}"
        shown = bool(default) and not question.hidden
        typed = click.prompt(text, default=default, show_default=shown, hide_input=question.hidden, type=str).strip()
        return values[int(typed) - 1] if typed in map(str, range(1, len(values) + 1)) else typed

    def _from_file(self, question: "Question", answer: str) -> str:
        if answer == "auto" and question.choices and question.default is not None:
            answer = question.default
        if mistake := question.mistake(answer):
            raise click.ClickException(f"{question.name} in the file of answers: {mistake}")
        shown = "(in the file)" if question.hidden else answer or "(nothing)"
        self._lines("", (f"{question.text}{'' if question.text.endswith('?') else ':'} {shown}",))
        return answer

    def begin(self, task: "Task", section: str) -> None:
        self._head(section)
        self._lines("", (DOING[task],) if DOING[task] else ())

    def came(self, outcome: "Outcome") -> None:
        """What came of a task; what went wrong says so in words, and its remedy is a note of the next question."""
        self._lines("ok      " if outcome.ok else "failed  ", outcome.said[:1])
        self._lines("        ", outcome.said[1:])

    def meanwhile(self, line: str) -> None:
        self._lines("        ", (line,))

    def _head(self, section: str) -> None:
        if section != self._section:
            self._section = section
            tell("", section, "-" * len(section))

    def _lines(self, front: str, lines: tuple[str, ...]) -> None:
        """Each line behind two columns and what stands in front, wrapped to the screen."""
        indent = 2 + len(front)
        for line in lines:
            more = indent + len(line) - len(line.lstrip())
            wrapped = textwrap.wrap(line, SCREEN - 1, initial_indent=f"  {front}", subsequent_indent=" " * more)
            tell(*(wrapped or [f"  {front}".rstrip()]))
        sys.stdout.flush()


def _is_short(question: "Question") -> bool:
    """Yes or no, which needs no list."""
    return [choice.value for choice in question.choices] == ["yes", "no"]
