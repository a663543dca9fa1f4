"""Digest authentication by the examples of RFC 7616 3.9.1."""

import hashlib
import re
from collections.abc import Callable
from hashlib import md5
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.digest import Account, Challenge, Credentials, Realm, challenges, credentials
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


@pytest.mark.parametrize(
    ("algorithm", "hashed"), [("md5-SESS", hashlib.md5), ("SHA-256-sess", hashlib.sha256), ("MD5-sess", hashlib.md5)]
)
def test_the_hash_of_a_session_is_mixed_with_both_nonces(algorithm: str, hashed: Callable[[bytes], Any]) -> None:
    """RFC 7616 3.4.2. Such a challenge used to get no answer. The cnonce stays the same, since servers keep A1."""
    (asked,) = challenges(refused(f'Digest realm="r", nonce="n", qop="auth", algorithm={algorithm}'))
    a1 = hashed(f"{hashed(b'Mufasa:r:Circle of Life').hexdigest()}:n:{asked.cnonce}".encode()).hexdigest()
    a2 = hashed(b"REGISTER:sip:r").hexdigest()
    for count in (1, 2):
        _, value = credentials(asked, ACCOUNT, "REGISTER", "sip:r", count)
        wanted = hashed(f"{a1}:n:{count:08x}:{asked.cnonce}:auth:{a2}".encode()).hexdigest()
        assert fields(value)["response"] == f'"{wanted}"'
        assert fields(value)["algorithm"] == asked.algorithm


def test_the_hash_of_a_session_needs_a_qop() -> None:
    assert challenges(refused('Digest realm="r", nonce="n", algorithm=MD5-sess')) == []


def fields(header: str) -> dict[str, str]:
    """Those of credentials, with their quotes."""
    assert header.startswith("Digest ")
    return dict(re.findall(r'(\w+)=("[^"]*"|[^,]*)(?:, |\Z)', header.removeprefix("Digest ")))


@pytest.mark.parametrize(("opaque", "more"), [("", {}), ("FQhe/qaU", {"opaque": '"FQhe/qaU"'})])
def test_credentials_have_the_fields_of_the_standard_and_no_others(
    monkeypatch: pytest.MonkeyPatch, opaque: str, more: dict[str, str]
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: CNONCE)
    asked = Challenge(407, REALM, NONCE, "MD5", "auth", opaque, stale=False)
    name, value = credentials(asked, ACCOUNT, "GET", "/dir/index.html")
    assert name == "proxy-authorization"
    assert fields(value) == {
        "username": '"Mufasa"',
        "realm": f'"{REALM}"',
        "nonce": f'"{NONCE}"',
        "uri": '"/dir/index.html"',
        "response": '"8ca523f5e9506fed4657c9700eebdbec"',
        "algorithm": "MD5",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": f'"{CNONCE}"',
        **more,
    }


def test_a_server_of_rfc_2069_gets_no_count_and_a_response_without_one() -> None:
    met = Credentials(ACCOUNT)
    met.take(refused(f'Digest realm="{REALM}", nonce="{NONCE}", opaque="o"'), ())
    [(_, value)] = met.headers("INVITE", "sip:a@b")
    ha1, ha2 = (md5(text.encode()).hexdigest() for text in (f"Mufasa:{REALM}:Circle of Life", "INVITE:sip:a@b"))
    assert fields(value) == {
        "username": '"Mufasa"',
        "realm": f'"{REALM}"',
        "nonce": f'"{NONCE}"',
        "uri": '"sip:a@b"',
        "response": f'"{md5(f"{ha1}:{NONCE}:{ha2}".encode()).hexdigest()}"',
        "algorithm": "MD5",
        "opaque": '"o"',
    }


def test_a_challenge_is_read_with_all_that_it_names_and_nothing_that_it_does_not() -> None:
    (bare,) = challenges(refused('Digest nonce="n"'))
    assert bare == Challenge(401, "", "n", "MD5", "", "", stale=False)
    (whole,) = challenges(refused('Digest realm="r", nonce="n", opaque="o", stale=True, algorithm=sha-256, qop="auth"'))
    assert whole == Challenge(401, "r", "n", "SHA-256", "auth", "o", stale=True)


def test_without_an_account_or_a_challenge_nothing_is_signed() -> None:
    nobody, met = Credentials(None), Credentials(ACCOUNT)
    assert nobody.take(refused(*OFFERED), ()) == ()
    assert nobody.headers("INVITE", "sip:a@b") == ()
    assert met.take(Message((), status=200), ()) == ()
    assert met.headers("INVITE", "sip:a@b") == ()


def test_what_was_forgotten_signs_nothing_and_is_news_again() -> None:
    met = Credentials(ACCOUNT)
    assert met.take(refused(*OFFERED), ()) == ((401, REALM),)
    met.forget()
    assert met.headers("REGISTER", "sip:r") == ()
    assert met.take(refused(*OFFERED), ()) == ((401, REALM),)


def test_each_use_of_a_nonce_is_counted() -> None:
    asked = Challenge(407, REALM, NONCE, "MD5", "auth", "", stale=False)
    assert "nc=0000000a" in credentials(asked, ACCOUNT, "BYE", "sip:a@b", 10)[1]


@pytest.mark.parametrize("offered", [OFFERED, OFFERED[::-1], (", ".join(OFFERED),)])
def test_the_strongest_challenge_is_answered(offered: tuple[str, ...]) -> None:
    (asked,) = challenges(refused(*offered))
    assert (asked.algorithm, asked.qop, asked.stale) == ("SHA-256", "auth", True)
    (weaker,) = challenges(refused(OFFERED[0]))
    assert (weaker.algorithm, weaker.stale) == ("MD5", False)


def test_what_cannot_be_answered_is_no_challenge() -> None:
    only_int = f'Digest realm="{REALM}", qop="auth-int", nonce="{NONCE}"'
    assert challenges(refused("Basic realm=x", only_int, f'Digest realm="{REALM}", algorithm=X, nonce="n"')) == []


@pytest.mark.parametrize(
    ("qop", "wanted"),
    [
        ("", ""),
        (', qop=""', ""),
        (", qop=", ""),
        (', qop=","', ""),
        (', qop="AUTH"', "auth"),
        (", qop=auth", "auth"),
        (', qop="auth-int,Auth"', "auth"),
        (', QoP = "auth"', "auth"),
    ],
)
def test_a_list_of_qops_may_be_empty_or_in_any_case(qop: str, wanted: str) -> None:
    """There used to be a bug: qop="" and qop="AUTH" made a challenge one that cannot be answered."""
    (asked,) = challenges(refused(f'Digest realm="r", nonce="n"{qop}'))
    assert asked.qop == wanted
    assert ("qop=auth" in credentials(asked, ACCOUNT, "REGISTER", "sip:r")[1]) is bool(wanted)


@pytest.mark.parametrize(
    "values",
    [
        ('Bearer authz_server="https://id.example", scope="sip"', 'Digest realm="r", nonce="n"'),
        ('Bearer realm="b", error="invalid, token", Digest realm="r", nonce="n"',),
        ('NTLM, Negotiate dG9rZW4=, digest realm="r",nonce="n"',),
        ('Digest nonce="n" , realm="r", Basic realm="b"',),
        ('Digest realm="r", nonce="n", algorithm=SHA-512-256', 'Digest realm="r", nonce="n"'),
    ],
)
def test_schemes_beside_digest_are_passed_over(values: tuple[str, ...]) -> None:
    (asked,) = challenges(refused(*values))
    assert (asked.realm, asked.nonce, asked.algorithm) == ("r", "n", "MD5")


def test_a_realm_is_hashed_without_its_escapes_and_sent_with_them() -> None:
    r"""There used to be a bug: `realm="the \"edge\""` was hashed with its backslashes."""
    (asked,) = challenges(refused(r'Digest realm="the \"edge\" \\ 1", nonce="n"'))
    assert asked.realm == r'the "edge" \ 1'
    value = credentials(asked, ACCOUNT, "INVITE", "sip:a@b")[1]
    assert r'realm="the \"edge\" \\ 1"' in value
    (plain,) = challenges(refused(f"Digest {value.removeprefix('Digest ')}"))
    assert plain.realm == asked.realm


def proxies(*realms: str, nonce: str = "n", more: str = "") -> Message:
    headers = (("proxy-authenticate", f'Digest realm="{realm}", nonce="{nonce}"{more}') for realm in realms)
    return Message(tuple(headers), status=407)


def signed(met: Credentials) -> list[tuple[str, str]]:
    """Header and realm of each."""
    return [(name, value.split('realm="')[1].split('"')[0]) for name, value in met.headers("INVITE", "sip:a@b")]


def test_each_realm_gets_credentials_of_its_own() -> None:
    """There used to be a bug: one set of credentials was kept for 401 and one for 407, whatever the realms (22.3)."""
    met = Credentials(ACCOUNT)
    before = met.take(proxies("edge.example"), ())
    before += met.take(proxies("core.example"), before)
    before += met.take(refused('Digest realm="pbx", nonce="n"'), before)
    assert signed(met) == [
        ("proxy-authorization", "edge.example"),
        ("proxy-authorization", "core.example"),
        ("authorization", "pbx"),
    ]
    assert len(before) == 3


def test_realms_that_ask_in_one_response_are_answered_in_one_request() -> None:
    met = Credentials(ACCOUNT)
    assert len(met.take(proxies("edge.example", "core.example"), ())) == 2
    assert signed(met) == [("proxy-authorization", "edge.example"), ("proxy-authorization", "core.example")]


def test_credentials_that_were_refused_are_not_tried_again_but_stale_ones_are_renewed_once() -> None:
    met = Credentials(ACCOUNT)
    before = met.take(proxies("edge"), ())
    assert met.take(proxies("edge"), before) == ()
    stale = met.take(proxies("edge", more=", stale=true"), before)
    assert stale
    assert met.take(proxies("edge", nonce="m", more=", stale=true"), before + stale) == ()


def test_a_server_with_ever_new_realms_is_given_up() -> None:
    met = Credentials(ACCOUNT)
    before: tuple[Realm, ...] = ()
    while fresh := met.take(proxies(f"realm {len(before)}"), before):
        before += fresh
    assert len(before) == 8


def test_a_new_nonce_is_counted_from_one() -> None:
    met = Credentials(ACCOUNT)
    with_qop = ', qop="auth"'
    before = met.take(proxies("edge", more=with_qop), ())
    counts = [met.headers("INVITE", "sip:a@b")[0][1].split("nc=")[1][:8] for _ in range(2)]
    met.take(proxies("edge", nonce="m", more=with_qop), before)
    counts += [met.headers("INVITE", "sip:a@b")[0][1].split("nc=")[1][:8]]
    assert counts == ["00000001", "00000002", "00000001"]


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_challenge_is_read_or_passed_over(text: str) -> None:
    for asked in challenges(refused(text, f"Digest {text}")):
        credentials(asked, ACCOUNT, "INVITE", "sip:a@b")


@pytest.mark.parametrize("value", ['realm="x", nonce="y"', 'qop="auth" Basic realm="x"'])
def test_parameters_before_any_scheme_ask_for_nothing(value: str) -> None:
    assert challenges(refused(value)) == []
