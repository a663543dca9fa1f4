"""JSON as the API writes it, and what Verify answers, as frames for the server: always HTTP status 200 and JSON."""

import json
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from daemon.core.values import value

CONTENT_TYPE = (b"content-type", b"application/json")
HEADERS = b"content-length: %d\r\ncontent-type: application/json\r\n"
AT_ONCE = "pinwheel.answer"
"""The extension of a connection's scope: with what ASGI calls `send`, it sends header lines and a body with status 200;
False if it does not."""

written = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode  # made once
"""A value as JSON, without blanks; on any thread."""


@value
class Answer:
    """An ASGI application that sends this JSON; it costs two thirds of Starlette's Response."""

    body: bytes

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        at_once = scope.get("extensions", {}).get(AT_ONCE)
        if at_once is not None and at_once(send, HEADERS % len(self.body), self.body):
            return
        head = [(b"content-length", b"%d" % len(self.body)), CONTENT_TYPE]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": self.body})


def answer(fields: Mapping[str, object]) -> Answer:
    """These fields as JSON."""
    return Answer(written(fields).encode())
