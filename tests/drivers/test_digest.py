"""Digest authentication by the examples of RFC 7616 3.9.1."""

import pytest

from drivers.sip.digest import Account, Challenge, challenge, credentials
from drivers.sip.message import Message

ACCOUNT = Account("Mufasa", "Circle of Life")
REALM, NONCE = "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OFFERED = (
    f'Digest realm="{REALM}", qop="auth, auth-int", algorithm=MD5, nonce="{NONCE}"',
    f'Digest realm="{REALM}", qop="auth, auth-int", algorithm=SHA-256, nonce="{NONCE}", stale=TRUE',
)


def refused(*challenges: str) -> Message:
    return Message(tuple(("www-authenticate", value) for value in challenges), status=401)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard(monkeypatch: pytest.MonkeyPatch, algorithm: str, response: str) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: CNONCE)
    asked = Challenge(401, REALM, NONCE, algorithm, "auth", "", stale=False)
    name, value = credentials(asked, ACCOUNT, "GET", "/dir/index.html")
    assert name == "authorization"
    assert f'response="{response}"' in value
    assert "nc=00000001" in value


def test_each_use_of_a_nonce_is_counted() -> None:
    asked = Challenge(407, REALM, NONCE, "MD5", "auth", "", stale=False)
    assert "nc=0000000a" in credentials(asked, ACCOUNT, "BYE", "sip:a@b", 10)[1]


def test_the_strongest_challenge_is_answered() -> None:
    asked = challenge(refused(*OFFERED))
    assert asked is not None
    assert (asked.algorithm, asked.qop, asked.stale) == ("SHA-256", "auth", True)
    weaker = challenge(refused(OFFERED[0]))
    assert weaker is not None
    assert (weaker.algorithm, weaker.stale) == ("MD5", False)


def test_what_cannot_be_answered_is_no_challenge() -> None:
    only_int = f'Digest realm="{REALM}", qop="auth-int", nonce="{NONCE}"'
    assert challenge(refused("Basic realm=x", only_int, f'Digest realm="{REALM}", algorithm=X, nonce="n"')) is None
