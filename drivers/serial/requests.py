"""Requests of other threads to a modem: messages and operators' commands, each answered through a future."""

import contextlib
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from drivers import Receipt, Sms, Unavailable


@dataclass(slots=True)
class Job:
    """A message to send."""

    sms: Sms
    future: Future[Receipt]


@dataclass(slots=True)
class Question:
    """An operator's command."""

    command: str
    future: Future[tuple[str, ...]]


R = TypeVar("R", Job, Question)


class Requests:
    """Any thread may add; the driver's takes. why: the reason to give where they are declined."""

    def __init__(self, why: Callable[[], str]) -> None:
        self._why = why
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()

    def add(self, request: Job | Question) -> None:
        if isinstance(request, Job):
            self._jobs.put(request)
        else:
            self._questions.put(request)

    def next_job(self) -> Job | None:
        """The next that was not cancelled, and cannot be any more."""
        return _next(self._jobs)

    def next_question(self) -> Question | None:
        """As `next_job`."""
        return _next(self._questions)

    def decline_jobs(self) -> None:
        self._decline(self._jobs)

    def decline_questions(self) -> None:
        self._decline(self._questions)

    def decline(self) -> None:
        self.decline_jobs()
        self.decline_questions()

    def _decline(self, waiting: queue.SimpleQueue[R]) -> None:
        while (request := _next(waiting)) is not None:
            request.future.set_exception(Unavailable(self._why() or "the modem is not ready"))


def _next(waiting: queue.SimpleQueue[R]) -> R | None:
    with contextlib.suppress(queue.Empty):
        while not (request := waiting.get_nowait()).future.set_running_or_notify_cancel():
            pass
        return request
    return None
