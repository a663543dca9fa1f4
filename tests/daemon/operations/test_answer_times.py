"""How long answers take: counted apart for the routes of callers, cheaply."""

from daemon.operations.answer_times import OTHER, HttpTimes

START, CHECK = "/verify/json", "/verify/check/json"


def counts(times: HttpTimes) -> dict[tuple[str, str], int]:
    return {key: sum(each.counts) for key, each in times.copy().items()}


def test_known_routes_are_there_from_the_start_and_all_others_are_one() -> None:
    times = HttpTimes(frozenset({START, CHECK}))
    assert counts(times) == {(CHECK, "2xx"): 0, (START, "2xx"): 0, (OTHER, "2xx"): 0}
    for path, status in ((START, 200), ("/v1/requests/0123", 200), ("/v1/status", 404), ("/nothing", 404)):
        times.observe(path, status, 0.02)
    kept = times.copy()
    times.observe(START, 503, 0.02)
    assert counts(times)[OTHER, "4xx"] == 2
    assert counts(times)[OTHER, "2xx"] == counts(times)[START, "2xx"] == counts(times)[START, "5xx"] == 1
    assert (START, "5xx") not in kept
