"""A chosen part of the whole job, with PostgreSQL as the database."""

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until
from tests.peers.postgres import PASSWORD, PORT, Cluster
from tests.soak.kills import campaign

ROOT = Path(__file__).resolve().parents[1]
NUMBER, OTHER = "447700900100", "447700900200"  # ordinary handsets
AT_ONCE_S = 2.0


def test_requests_are_started_checked_and_cancelled_and_are_there_after_a_restart(
    postgres: Cluster, tmp_path: Path
) -> None:
    with SimulatedModem(network_s=0.05, report_s=0.1) as modem:
        toml = "[security]\ncancel_after = 0\n" + modem_section(modem.port)
        with Gateway(tmp_path, toml, store=postgres.store(tmp_path)) as gateway:
            first, second = gateway.verify(NUMBER), gateway.verify(OTHER)
            gateway.wait_for(first, "delivered", step=0)
            gateway.wait_for(second, "delivered", step=0)
            assert gateway.client.verify("", number=NUMBER, brand="Acme")["status"] == "10"
            told = gateway.client.verify("control", request_id=second, cmd="cancel")
            assert told == {"status": "0", "command": "cancel"}
            gateway.stop()
            gateway.start()
            gateway.ready()
            assert gateway.request(first)["status"] == "IN PROGRESS"
            code = next(pin_in(text) for number, text in modem.accepted if number == NUMBER)
            wrong = "0000" if code != "0000" else "1111"
            assert gateway.client.verify("check", request_id=first, code=wrong)["status"] == "16"
            assert gateway.client.verify("check", request_id=first, code=code)["status"] == "0"
            listed = {item["request_id"]: item["status"] for item in gateway.client.get("/v1/requests")["requests"]}
            assert listed == {first: "SUCCESS", second: "CANCELLED"}
            assert [check["valid"] for check in gateway.request(first)["checks"]] == [False, True]
            counted = {"SUCCESS": 1, "CANCELLED": 1}
            until(lambda: gateway.client.get("/v1/status")["requests"] == counted, "all are counted")
            events = [line["kind"] for line in gateway.client.events(follow=False, last=100)]
        log = gateway.log() + postgres.log()
    assert events.count("delivered") == 2
    assert code not in log
    assert NUMBER not in log
    assert PASSWORD not in log
    assert not (tmp_path / "pinwheel.db").exists()


def test_a_dump_beside_the_daemon_is_restored_and_live_requests_go_on(postgres: Cluster, tmp_path: Path) -> None:
    """By the commands of docs/postgresql.md. It used to name the tools only."""
    here, there, dump = tmp_path / "here", tmp_path / "there", tmp_path / "dump"
    here.mkdir()
    there.mkdir()
    database, restored = postgres.new_database(), postgres.new_database()

    def keys(name: str) -> str:
        return f'url = "{postgres.url(name)}"\npassword_file = "{postgres.password_file(tmp_path)}"'

    def run(tool: str) -> None:
        (line,) = re.findall(rf"^({tool} .*)$", (ROOT / "docs" / "postgresql.md").read_text(), re.MULTILINE)
        for documented, ours in (
            ("postgresql://pinwheel@db.example.com/pinwheel", postgres.url(database)),
            ("postgresql://pinwheel@db.example.com/restored", postgres.url(restored)),
            ("/srv/backup/pinwheel.dump", str(dump)),
        ):
            line = line.replace(documented, ours)
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGPORT": str(PORT)}
        subprocess.run(shlex.split(line), check=True, env=environment, capture_output=True, timeout=60)

    with SimulatedModem(network_s=0.02) as modem:
        with Gateway(here, modem_section(modem.port), store=keys(database)) as gateway:
            request_id = gateway.verify(NUMBER, workflow_id=6)
            code = pin_in(until(lambda: modem.accepted, "the SMS")[0][1])
            run("pg_dump")
        run("pg_restore")
        shutil.copy(here / "key", there)
        with Gateway(there, modem_section(modem.port), store=keys(restored)) as gateway:
            assert gateway.client.verify("check", request_id=request_id, code=code)["status"] == "0"


def test_killing_the_daemon_under_load_loses_nothing_and_repeats_nothing(postgres: Cluster, tmp_path: Path) -> None:
    result = campaign(tmp_path, kills=2, store=postgres.store(tmp_path))
    assert result.started > 20
    assert result.lost == []
    assert result.repeated == []
    assert result.sent_unsent == []
    assert set(result.states) <= {"sent", "delivered", "uncertain"}


def test_what_a_modem_did_while_postgresql_was_away_is_recorded_when_it_is_back(
    postgres: Cluster, tmp_path: Path
) -> None:
    """New starts are refused at once meanwhile, and nothing hangs."""
    with (
        SimulatedModem(network_s=1.5, report_s=0.5) as modem,
        Gateway(tmp_path, modem_section(modem.port), store=postgres.store(tmp_path)) as gateway,
    ):
        sent = gateway.verify(NUMBER)
        until(lambda: gateway.request(sent)["attempts"][0]["state"] == "sending", "the SMS is under way")
        postgres.stop()
        try:
            began = time.monotonic()
            for _ in range(3):
                refused = gateway.client.verify("", number=OTHER, brand="Acme")
                assert (refused["status"], refused["error_text"] != "") == ("5", True)
            assert gateway.client.verify("search", request_id=sent)["status"] == "5"
            assert gateway.health()["code"] == 503
            assert gateway.client.get("/v1/status")["store"] == "the last write failed"
            assert time.monotonic() - began < AT_ONCE_S
            until(lambda: modem.accepted, "the SMS that was under way")
            time.sleep(1)  # its report comes, too
        finally:
            postgres.start()
        until(lambda: gateway.health()["code"] == 200, "the database is used again")
        gateway.wait_for(sent, "delivered", step=0)
        code = pin_in(modem.accepted[0][1])
        assert gateway.client.verify("check", request_id=sent, code=code)["status"] == "0"
        gateway.wait_for(gateway.verify(OTHER), "delivered", step=0)
        assert [number for number, _ in modem.accepted] == [NUMBER, OTHER]
