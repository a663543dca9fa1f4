"""What is measured as covered is what a test reaches in any case: without a thread, another process or drawn examples.

A branch that only a race or a random example reaches is covered today and not tomorrow. `[tool.coverage.report]
contexts` counts what ran as DETERMINED alone; the rest of a test, once it has started a thread or a process, is TIMED.
Threads that outlast a test are simulated devices: none of what is measured runs in them.
"""

import functools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

DETERMINED, TIMED = "determined", "timed"


class Contexts:
    """A plugin of pytest: it sets the context in which coverage measures, if coverage runs."""

    def __init__(self, switch: Callable[[str], None]) -> None:
        self._switch_here, self._process, self._thread = switch, os.getpid(), threading.get_ident()

    def _switch(self, context: str) -> None:
        """A fork of a test has no part in what is measured, and may be a user who cannot write the data.

        A thread that the test before left behind may still start others: that is not this test's.
        """
        if os.getpid() == self._process and threading.get_ident() == self._thread:
            self._switch_here(context)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._thread = threading.get_ident()
        self._switch(TIMED if item.get_closest_marker("hypothesis") else DETERMINED)
        return (yield)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """From the first start of a thread or a process on."""
        for owner, name in ((threading.Thread, "start"), (subprocess.Popen, "__init__")):
            patch.setattr(owner, name, self._before(getattr(owner, name)))

    def _before(self, start: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(start)
        def started(*arguments: Any, **named: Any) -> Any:
            self._switch(TIMED)
            return start(*arguments, **named)

        return started


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    plugins = session.config.pluginmanager
    controller = getattr(plugins.getplugin("_cov"), "cov_controller", None)
    if controller is None or controller.cov is None or plugins.has_plugin("dsession"):  # which runs no test itself
        return
    contexts, patch = Contexts(controller.cov.switch_context), pytest.MonkeyPatch()
    contexts.watch(patch)
    session.config.add_cleanup(patch.undo)
    session.config.pluginmanager.register(contexts)
