"""What another user gets, from a process of its own: nobody comes back from being one."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest

NOBODY = 65534


def as_user(uid: int, act: Callable[[], Any], gid: int = 0, gids: Sequence[int] = ()) -> Any:
    """What `act` gives, as JSON keeps it. gid: 0 for the group of the same number; gids: its groups beside that one."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(gids)
            os.setgid(gid or uid)
            os.setuid(uid)
            os.write(writer, json.dumps(act()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        answer = told.read()
    os.waitpid(child, 0)
    return json.loads(answer)
