"""Whose a request is."""

from dataclasses import replace

import pytest

from daemon.core.ownership import Caller, account_id, unnamed
from tests.daemon.core.story import request


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


def test_users_of_accounts_who_name_none_are_apart_from_all_others() -> None:
    assert unnamed([]) == Caller().account
    assert unnamed(["acme", "bolt"]) == ":acme:bolt"  # as requests in a database have it
    of_acme, of_both = Caller(unnamed(["acme"])), Caller(unnamed(["acme", "bolt"]))
    started = replace(request(1), account=of_acme.account)
    assert [caller.owns(started) for caller in (of_acme, of_both, Caller("acme"), Caller())] == [True, *[False] * 3]
    assert Caller(operator=True).owns(started)


def test_an_account_that_was_not_named_is_told_as_none() -> None:
    assert [account_id(account) for account in ("acme", unnamed(["acme"]), "")] == ["acme", "", ""]
