"""Which server is tried next, on its own: see test_agent.py for calls that go to the next one."""

import pytest

from drivers.sip.failover import Servers

A, B, C, D = (("192.0.2.1", port) for port in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("failed", "order"),
    [(A, [B, C, A]), (B, [A, B, C]), (D, [A, B, C])],
    ids=["in use", "not in use", "unknown"],
)
def test_only_the_server_in_use_loses_its_place(failed: tuple[str, int], order: list[tuple[str, int]]) -> None:
    servers = Servers([A, B, C])
    servers.demote(failed)
    assert servers.addresses == order


@pytest.mark.parametrize(("tried", "following"), [(A, B), (B, C), (C, A), (D, A)])
def test_the_next_server_is_the_one_after_that_which_was_tried(
    tried: tuple[str, int], following: tuple[str, int]
) -> None:
    assert Servers([A, B, C]).next_after(tried) == following


def test_the_order_that_was_found_by_trying_outlives_a_look_up_with_the_same_addresses() -> None:
    servers = Servers([A, B, C])
    servers.demote(A)
    servers.found((A, C, B))
    assert servers.first == B
    servers.found((A, C))
    assert servers.addresses == [A, C]
