"""What session descriptions say, and what we make of them."""

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.sdes import Crypto, Suite, new_cryptos
from drivers.sip.sdp import Direction, FarEnd, NoAudio, answer, offer, offer_again, respond

PLAIN = offer("192.0.2.1", 40000, 7)
CRYPTOS = new_cryptos()
SECURE = offer("192.0.2.1", 40000, 7, CRYPTOS)
KEY = b64encode(bytes(range(30))).decode()
THEIRS = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"


def said(*lines: str, media: str = "m=audio 5000 RTP/AVP 8 101", host: str = "198.51.100.2") -> bytes:
    """A description with these lines in its one stream."""
    head = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", media]
    return "\r\n".join([*head, *lines, ""]).encode()


def secure(*lines: str) -> bytes:
    return said(*lines, media="m=audio 5000 RTP/SAVP 8 101")


@pytest.mark.parametrize(
    ("lines", "frame_ms"),
    [
        ([], 20),
        (["a=ptime:40"], 40),
        (["a=ptime:30"], 30),
        (["a=ptime:25"], 20),
        (["a=ptime:5"], 10),
        (["a=ptime:200"], 60),
        (["a=maxptime:10"], 10),
        (["a=ptime:60", "a=maxptime:40"], 40),
        (["a=maxptime:150"], 20),
        (["a=ptime:0"], 10),
        (["a=ptime:twenty"], 20),
    ],
)
def test_packets_are_as_long_as_the_answer_wants(lines: list[str], frame_ms: int) -> None:
    assert answer(said(*lines), PLAIN).frame_ms == frame_ms


@pytest.mark.parametrize(
    ("lines", "port"), [([], 5001), (["a=rtcp:6000"], 6000), (["a=rtcp:6000 IN IP4 198.51.100.2"], 6000)]
)
def test_reports_go_where_the_answer_says(lines: list[str], port: int) -> None:
    assert answer(said(*lines), PLAIN).rtcp_port == port
    assert answer(said(media="m=audio 65535 RTP/AVP 0"), PLAIN).rtcp_port == 0


@pytest.mark.parametrize(
    "body",
    [
        said(media="m=audio 5000 RTP/AVPF 8 101"),
        said(media="m=AUDIO 5000 rtp/avp 8 101"),
        said().replace(b"IN IP4", b"in ip4"),
        said().replace(b"c=IN IP4", b"c=In iP4"),
    ],
)
def test_feedback_and_small_letters_cost_nothing(body: bytes) -> None:
    """There used to be no call to a far end that answers in RTP/AVPF, or writes "in ip4"."""
    far = answer(body, PLAIN)
    assert (far.host, far.port, far.payload_type) == ("198.51.100.2", 5000, 8)


def test_a_direction_counts_in_any_case() -> None:
    assert answer(said("a=SendOnly"), PLAIN).held


@pytest.mark.parametrize(
    ("media", "ours"),
    [
        ("m=audio 5000 RTP/AVPF 8", "m=audio 40000 RTP/AVPF 8\r\n"),
        ("m=audio 5000 RTP/AVP 8", "m=audio 40000 RTP/AVP 8\r\n"),
    ],
)
def test_an_offer_is_answered_in_its_profile(media: str, ours: str) -> None:
    assert ours in respond(said(media=media), PLAIN, answer(said(), PLAIN), 2)[1].decode()


def test_encrypted_audio_with_feedback_is_as_good() -> None:
    assert answer(said(THEIRS, media="m=audio 5000 RTP/SAVPF 8"), SECURE).theirs is not None
    with pytest.raises(NoAudio, match="RTP/AVPF, where RTP/SAVP was offered"):
        answer(said(media="m=audio 5000 RTP/AVPF 8"), SECURE)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no G.711 audio"),
        (said(media="m=audio 0 RTP/AVP 8"), "no G.711 audio"),
        (said(media="m=audio 5000 RTP/AVP 18"), "no G.711 audio"),
        (said(media="m=video 5000 RTP/AVP 8"), "no G.711 audio"),
        (said(host="pbx..example"), "no G.711 audio"),
        (said(host="fe80::1%eth0"), "no G.711 audio"),
        (said(host="[::1]%" + "x" * 70), "no G.711 audio"),
        (said(host="192.0.2.1\0"), "no G.711 audio"),
        (said() + b"m=video 9000 RTP/AVP 31\r\n" * 16, "more than 16 streams"),
        (said(host="239.1.2.3"), "no G.711 audio"),
        (said(THEIRS, media="m=audio 5000 RTP/SAVP 8"), "RTP/SAVP, where RTP/AVP was offered"),
    ],
)
def test_what_cannot_be_spoken_to_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(NoAudio, match=why):
        answer(body, PLAIN)


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("IN IP4 sbc.example", "sbc.example"),
        ("IN IP6 2001:DB8::7", "2001:db8::7"),
        ("IN IP6 2001:0db8:0::7", "2001:db8::7"),
        ("IN IP4 198.51.100.2/127", "198.51.100.2"),
        ("IN  IP4  198.51.100.2 ", "198.51.100.2"),
    ],
)
def test_where_audio_goes_may_be_an_address_or_a_name(place: str, host: str) -> None:
    """There used to be no audio for names (RFC 4566 9)."""
    body = said().replace(b"c=IN IP4 198.51.100.2", b"c=" + place.encode())
    assert answer(body, PLAIN).host == host


def test_two_streams_that_look_the_same_are_one_that_is_used_and_one_that_is_declined() -> None:
    body = said() + said()[said().index(b"m=") :]
    described = respond(body, PLAIN, answer(said(), PLAIN), 2)[1]
    assert described.count(b"m=audio 40000 ") == described.count(b"m=audio 0 ") == 1


@pytest.mark.parametrize(
    ("lines", "held"),
    [([], False), (["a=sendonly"], True), (["a=inactive"], True), (["a=recvonly"], False)],
)
def test_who_only_sends_is_on_hold(lines: list[str], held: bool) -> None:
    assert answer(said(*lines), PLAIN).held is held
    assert answer(said(*lines, host="0.0.0.0"), PLAIN).held


# --- SRTP ------------------------------------------------------------------------------------------------------------


def test_each_suite_is_offered_with_a_key_of_its_own_that_no_repr_shows() -> None:
    lines = re.findall(rb"^a=crypto:(\d) (\S+) inline:(\S{40})\r?$", SECURE, re.MULTILINE)
    assert [(tag, suite) for tag, suite, _ in lines] == [
        (b"1", b"AES_CM_128_HMAC_SHA1_80"),
        (b"2", b"AES_CM_128_HMAC_SHA1_32"),
    ]
    assert len({key for _, _, key in lines}) == 2
    assert b"m=audio 40000 RTP/SAVP" in SECURE
    assert b"crypto" not in PLAIN
    assert all(lines[i][2].decode() in str(CRYPTOS[i]) and "key" not in repr(CRYPTOS[i]) for i in (0, 1))


def test_the_answers_line_picks_suite_and_keys() -> None:
    found = answer(secure(THEIRS.replace("crypto:1", "crypto:2").replace("80", "32")), SECURE)
    assert found.ours == CRYPTOS[1]
    assert found.theirs == Crypto(2, Suite.SHA1_32, bytes(range(30)))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:" + KEY,  # the tag of the other suite
        "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:" + KEY,
        "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + KEY,
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short",
        THEIRS + "|2^20|1:4",  # a key identifier in every packet
        THEIRS + " UNENCRYPTED_SRTP",
    ],
)
def test_without_a_key_that_we_can_use_nothing_is_said(line: str) -> None:
    with pytest.raises(NoAudio, match="no key for SRTP"):
        answer(secure(line), SECURE)


def test_a_plain_answer_where_keys_were_demanded_is_refused() -> None:
    with pytest.raises(NoAudio, match="RTP/AVP, where RTP/SAVP was offered"):
        answer(said(THEIRS), SECURE)


def test_a_keys_lifetime_is_no_obstacle() -> None:
    assert answer(secure(THEIRS + "|2^31"), SECURE).theirs is not None


# --- offers of the far end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")],
)
def test_an_offer_is_answered_in_kind(theirs: str, ours: str) -> None:
    agreed = answer(said(), PLAIN)
    wanted = said(f"a={theirs}", "a=ptime:30", media="m=audio 7000 RTP/AVP 0 8 96").replace(b"100.2", b"100.3")
    far, described = respond(wanted, PLAIN, agreed, 2)
    assert far == FarEnd("198.51.100.3", 7000, 8, None, 30, 7001, Direction(theirs))
    text = described.decode()
    assert "o=pinwheel 7 2 IN IP4 192.0.2.1" in text
    assert "m=audio 40000 RTP/AVP 8\r\n" in text
    assert f"a={ours}\r\n" in text


def test_other_streams_of_an_offer_are_declined_in_their_place() -> None:
    agreed = answer(said(), PLAIN)
    body = said() + b"m=video 9000 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n"
    assert b"\r\nm=video 0 RTP/AVP 31\r\n" in respond(body, PLAIN, agreed, 2)[1]


def test_an_old_fashioned_hold_is_answered_and_lifted() -> None:
    agreed = answer(said(), PLAIN)
    held, described = respond(said(host="0.0.0.0"), PLAIN, agreed, 2)
    assert held.held
    assert b"a=inactive" in described
    assert not respond(said(), PLAIN, held, 3)[0].held


def test_the_law_and_the_suite_stay() -> None:
    with pytest.raises(NoAudio):
        respond(said(media="m=audio 5000 RTP/AVP 0"), PLAIN, answer(said(), PLAIN), 2)
    agreed = answer(secure(THEIRS), SECURE)
    with pytest.raises(NoAudio):
        respond(said(), SECURE, agreed, 2)
    other = THEIRS.replace("crypto:1", "crypto:5").replace(KEY, b64encode(bytes(30)).decode())
    far, described = respond(secure(other), SECURE, agreed, 2)
    assert far.theirs == Crypto(5, Suite.SHA1_80, bytes(30))
    assert str(Crypto(5, Suite.SHA1_80, CRYPTOS[0].key)).encode() in described


def test_an_offer_again_is_what_was_agreed() -> None:
    again = offer_again(SECURE, answer(secure(THEIRS), SECURE), 4)
    assert b"m=audio 40000 RTP/SAVP 8 101\r\n" in again
    assert b"o=pinwheel 7 4" in again
    assert again.count(b"a=crypto") == 1
    assert answer(secure(THEIRS), again).ours == CRYPTOS[0]


@given(
    st.one_of(
        st.binary(max_size=500), st.lists(st.sampled_from(sorted(SECURE.splitlines())), max_size=20).map(b"\n".join)
    )
)
def test_no_description_can_break_it(body: bytes) -> None:
    for offered in (PLAIN, SECURE):
        try:
            far = answer(body, offered)
            respond(body, offered, far, 2)
        except NoAudio:
            pass
