"""The requests that are kept in memory: only so many, each as it was saved last."""

from daemon.core.batch import NOTHING_NEEDED, Needs
from daemon.core.model import Status
from daemon.core.request_cache import RequestCache
from tests.daemon.core.story import of


def keeping(*rows: int, most: int = 3) -> RequestCache:
    cache = RequestCache(most)
    cache.keep({row: of(row) for row in rows})
    return cache


def needing(*ids: int, rows: tuple[int, ...] = (), numbers: tuple[str, ...] = ()) -> Needs:
    return Needs(frozenset(of(row).id for row in ids), frozenset(rows), frozenset(numbers))


def test_requests_are_known_by_their_id_and_by_their_row_and_only_the_rest_is_read() -> None:
    cache, wanted = keeping(1, 2, 3), needing(1, 8, rows=(2, 9), numbers=("447700900123",))
    assert cache.known(wanted) == {1: of(1), 2: of(2)}
    assert cache.rest(wanted)[:5] == needing(8, rows=(9,), numbers=("447700900123",))[:5]
    assert cache.rest(wanted).known == {1: of(1), 2: of(2), 3: of(3)}


def test_nothing_is_read_where_all_is_known_but_whatever_runs_for_a_number_is() -> None:
    cache = keeping(1, 2)
    assert cache.rest(needing(1, rows=(2,))).nothing
    for wanted in (needing(9), needing(rows=(9,)), needing(numbers=("4477",)), Needs(new=1)):
        assert not cache.rest(wanted).nothing
    assert NOTHING_NEEDED.nothing


def test_a_request_is_as_it_was_kept_last() -> None:
    cache, ended = keeping(1), of(1, status=Status.SUCCESS)
    cache.keep({1: ended})
    assert cache.known(needing(1)) == {1: ended}


def test_what_has_not_been_needed_for_longest_goes_first() -> None:
    cache = keeping(1, 2, 3)
    cache.keep({1: of(1), 4: of(4)})
    assert cache.known(needing(1, 2, 3, 4)) == {1: of(1), 3: of(3), 4: of(4)}
    assert cache.rest(needing(2)).ids == {of(2).id}


def test_nothing_is_known_once_it_was_cleared() -> None:
    cache = keeping(1, 2)
    cache.clear()
    assert cache.known(needing(1, rows=(2,))) == {}
    assert not cache.rest(needing(1)).nothing
