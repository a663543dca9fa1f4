"""Timers in the schedulers that Python programs usually take, each on SQLite: how late they fire.

For .venv-rivals: `python timer_service.py apscheduler|huey DIRECTORY A_SECOND SECONDS`; it writes the milliseconds by
which each timer was late as a JSON list.
"""

import json
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from huey import SqliteHuey

late_ms: list[float] = []
PREPARED_A_SECOND = 100  # timers that the slower of the two can store on a slow disk
LAST_S = 20.0


def fire(due: float) -> None:
    late_ms.append((time.time() - due) * 1000)


def dues(a_second: int, seconds: float) -> list[float]:
    count = round(a_second * seconds)
    first = time.time() + 2 + count / PREPARED_A_SECOND
    return [first + number / a_second for number in range(count)]


def apscheduler(directory: Path, a_second: int, seconds: float) -> None:
    scheduler = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore(f"sqlite:///{directory}/jobs.db")})
    scheduler.start()
    wanted = dues(a_second, seconds)
    for due in wanted:
        at = datetime.fromtimestamp(due).astimezone()
        scheduler.add_job(fire, "date", run_date=at, args=[due], misfire_grace_time=None)
    _wait(len(wanted), wanted[-1])
    scheduler.shutdown(wait=False)


def with_huey(directory: Path, a_second: int, seconds: float) -> None:
    huey = SqliteHuey(filename=f"{directory}/huey.db", fsync=True, utc=True)
    task = huey.task()(fire)
    wanted = dues(a_second, seconds)
    for due in wanted:
        task.schedule(args=(due,), delay=timedelta(seconds=due - time.time()))
    consumer = huey.create_consumer(workers=2, periodic=False, scheduler_interval=1)
    threading.Thread(target=consumer.start, daemon=True).start()
    _wait(len(wanted), wanted[-1])


def _wait(count: int, last: float) -> None:
    while len(late_ms) < count and time.time() < last + LAST_S:
        time.sleep(0.1)


if __name__ == "__main__":
    run = {"apscheduler": apscheduler, "huey": with_huey}[sys.argv[1]]
    run(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    print(json.dumps(late_ms), flush=True)
    import os

    os._exit(0)
