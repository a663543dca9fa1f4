"""A driver that somebody might add: writes each SMS into a file of a directory, for another program to send."""

import contextlib
import itertools
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drivers import DeviceState, LeftBehind, ModemStatus, Receipt, Refused, Sms, SmsListener, StateChanged, Unavailable
from drivers.checks import whole_path
from drivers.settings import setting


@dataclass(frozen=True, slots=True)
class Options:
    directory: str = setting("", "Where messages are written.", required=True, check=whole_path)


class Driver:
    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._directory = Path(options.directory)
        self._status = ModemStatus(DeviceState.CLOSED)
        self._numbers = itertools.count(1)
        self._listener: SmsListener = lambda _: Future()
        self._thread: ThreadPoolExecutor | None = None

    def open(self, listener: SmsListener, left: Sequence[LeftBehind] = ()) -> None:  # noqa: ARG002 - it owes nothing
        self._listener, self._thread = listener, ThreadPoolExecutor(1)
        self._thread.submit(self._become, ModemStatus(DeviceState.READY, port=str(self._directory)))

    def send(self, sms: Sms) -> Future[Receipt]:
        with contextlib.suppress(RuntimeError):  # it is being closed
            if self._thread is not None:
                return self._thread.submit(self._write, sms)
        closed: Future[Receipt] = Future()
        closed.set_exception(Unavailable("the driver is closed"))
        return closed

    def ask(self, command: str) -> Future[tuple[str, ...]]:
        answer: Future[tuple[str, ...]] = Future()
        answer.set_exception(Refused(f"a directory answers nothing, so not {command!r}"))
        return answer

    def status(self) -> ModemStatus:
        return self._status

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown()
            self._become(ModemStatus(DeviceState.CLOSED))

    def _become(self, status: ModemStatus) -> None:
        self._status = status
        self._listener(StateChanged())

    def _write(self, sms: Sms) -> Receipt:
        number = next(self._numbers)
        try:
            (self._directory / f"{number}.json").write_text(json.dumps({"number": sms.number, "text": sms.text}))
        except OSError as exc:
            raise Unavailable(f"cannot write into the directory: {exc.strerror}") from exc
        return Receipt((number % 256,))
