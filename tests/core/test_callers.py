"""Whose a request is."""

from dataclasses import replace

import pytest

from daemon.core.callers import Caller
from tests.core.story import request


@pytest.mark.parametrize(
    ("caller", "of_acme", "of_nobody"),
    [
        (Caller("acme"), True, False),
        (Caller("bolt"), False, False),
        (Caller(), False, True),
        (Caller("acme", operator=True), True, False),
        (Caller("bolt", operator=True), False, False),
        (Caller(operator=True), True, True),
    ],
)
def test_a_request_is_its_accounts_and_of_an_operator_who_names_none(
    caller: Caller, of_acme: bool, of_nobody: bool
) -> None:
    assert caller.owns(replace(request(1), account="acme")) == of_acme
    assert caller.owns(request(1)) == of_nobody
