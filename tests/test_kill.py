from pathlib import Path

from tests.soak.kills import campaign


def test_killing_the_daemon_under_load_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    result = campaign(tmp_path, kills=3)
    assert result.started > 30
    assert result.lost == []
    assert result.repeated == []
    assert result.sent_unsent == []
    assert set(result.states) <= {"sent", "delivered", "uncertain"}
    assert max(result.on_duty_s) < 5  # the goal is 1 s on an idle machine, which `make soak` shows
