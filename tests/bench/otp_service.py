"""A service for one-time codes as it is usually written: Starlette, with Redis or with one SQLite commit a request.

For .venv-rivals: `python otp_service.py SOCKET redis PORT`, or `... SOCKET sqlite FILE`. It checks the number, allows
one request a number at a time, keeps the code for five minutes and three tries, and leaves a message for a worker that
sends.
"""

import json
import secrets
import sqlite3
import sys
import time
from typing import Protocol

import phonenumbers
import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LIFE_S, TRIES = 300, 3


class Store(Protocol):
    async def start(self, request_id: str, number: str, code: str) -> bool: ...

    async def check(self, request_id: str, code: str) -> bool: ...


class InRedis:
    def __init__(self, port: int) -> None:
        pool = redis.asyncio.BlockingConnectionPool(host="127.0.0.1", port=port, max_connections=64, timeout=30)
        self._redis = redis.asyncio.Redis(connection_pool=pool)

    async def start(self, request_id: str, number: str, code: str) -> bool:
        if not await self._redis.set(f"active:{number}", request_id, nx=True, ex=LIFE_S):
            return False
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(f"otp:{request_id}", mapping={"number": number, "code": code, "tries": 0, "status": "started"})
            pipe.expire(f"otp:{request_id}", LIFE_S)
            pipe.zadd("due", {request_id: time.time() + LIFE_S})
            pipe.rpush("messages", json.dumps({"request_id": request_id, "number": number, "code": code}))
            await pipe.execute()
        return True

    async def check(self, request_id: str, code: str) -> bool:
        key = f"otp:{request_id}"
        found = await self._redis.hgetall(key)
        if not found or int(found[b"tries"]) >= TRIES:
            return False
        if not secrets.compare_digest(found[b"code"].decode(), code):
            await self._redis.hincrby(key, "tries", 1)
            return False
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key, f"active:{found[b'number'].decode()}")
            pipe.zrem("due", request_id)
            await pipe.execute()
        return True


class InSqlite:
    """One durable commit a request, on the event loop: the disk answers within a fraction of a millisecond."""

    def __init__(self, file: str) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(
            "CREATE TABLE otp (id TEXT PRIMARY KEY, number TEXT, code TEXT, tries INT, due REAL, state TEXT)"
        )
        self._db.execute("CREATE UNIQUE INDEX active ON otp (number) WHERE state = 'started'")
        self._db.execute("CREATE INDEX due ON otp (due) WHERE state = 'started'")

    async def start(self, request_id: str, number: str, code: str) -> bool:
        row = (request_id, number, code, 0, time.time() + LIFE_S, "started")
        try:
            self._db.execute("INSERT INTO otp VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            return False
        return True

    async def check(self, request_id: str, code: str) -> bool:
        query = "SELECT code, tries FROM otp WHERE id = ? AND state = 'started'"
        found = self._db.execute(query, (request_id,)).fetchone()
        if found is None or found[1] >= TRIES:
            return False
        right = secrets.compare_digest(found[0], code)
        done, wrong = "UPDATE otp SET state = 'done' WHERE id = ?", "UPDATE otp SET tries = tries + 1 WHERE id = ?"
        self._db.execute(done if right else wrong, (request_id,))
        return right


def application(store: Store) -> Starlette:
    async def start(http: Request) -> JSONResponse:
        form = await http.form()
        try:
            number = phonenumbers.parse("+" + str(form["number"]))
        except (KeyError, phonenumbers.NumberParseException):
            return JSONResponse({"status": "3", "error_text": "number"})
        if not form.get("brand") or not phonenumbers.is_possible_number(number):
            return JSONResponse({"status": "3", "error_text": "brand or number"})
        digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        request_id, code = secrets.token_hex(16), str(form.get("pin_code") or f"{secrets.randbelow(10_000):04}")
        if not await store.start(request_id, digits, code):
            return JSONResponse({"status": "10", "error_text": "busy"})
        return JSONResponse({"request_id": request_id, "status": "0"})

    async def check(http: Request) -> JSONResponse:
        form = await http.form()
        right = await store.check(str(form.get("request_id")), str(form.get("code")))
        return JSONResponse({"request_id": form.get("request_id"), "status": "0" if right else "16"})

    routes = [Route("/verify/json", start, methods=["POST"]), Route("/verify/check/json", check, methods=["POST"])]
    return Starlette(routes=routes)


if __name__ == "__main__":
    store: Store = InRedis(int(sys.argv[3])) if sys.argv[2] == "redis" else InSqlite(sys.argv[3])
    uvicorn.run(application(store), uds=sys.argv[1], log_level="warning", access_log=False)
