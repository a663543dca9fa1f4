"""What session descriptions contain, and what we read of them."""

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.agent import UserAgent
from drivers.sip.failover import Servers
from drivers.sip.message import Message
from drivers.sip.negotiation import Negotiation
from drivers.sip.request_builder import Identity
from drivers.sip.sdes import Crypto, SrtpKeys, Suite, cryptos_in, new_cryptos
from drivers.sip.sdp import Direction, FarEnd, NoAudio, Section, answer, offer, offer_again, respond

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
    assert answer(said(THEIRS, media="m=audio 5000 RTP/SAVPF 8"), SECURE).srtp is not None
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


def test_an_offer_is_g711_in_both_laws_with_keys_and_frames_of_20_ms() -> None:
    assert PLAIN.decode().split("\r\n") == [
        "v=0",
        "o=pinwheel 7 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 40000 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_an_offer_of_an_ipv6_address_says_so() -> None:
    lines = offer("2001:db8::1", 40000, 7).decode().split("\r\n")
    assert (lines[1], lines[3]) == ("o=pinwheel 7 1 IN IP6 2001:db8::1", "c=IN IP6 2001:db8::1")


def test_what_a_far_end_says_of_its_audio_is_all_read() -> None:
    far = answer(said("a=rtpmap:96 telephone-event/8000", media="m=audio 5000/2 RTP/AVP 18 0 8 96 x"), PLAIN)
    assert far == FarEnd("198.51.100.2", 5000, 0, 96, 20, 5001, Direction.SENDRECV)
    assert (far.laws, far.named, far.held, far.srtp) == ((0, 8), False, False, None)


@pytest.mark.parametrize(("host", "named"), [("sbc.example", True), ("198.51.100.2", False)])
def test_a_far_end_is_named_when_its_host_has_to_be_looked_up(host: str, *, named: bool) -> None:
    assert answer(said(host=host), PLAIN).named is named


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        ([], None),
        (["a=rtpmap:8 PCMA/8000"], None),
        (["a=rtpmap:101 telephone-event/8000"], 101),
        (["a=rtpmap:8 PCMA/8000", "a=rtpmap:97  Telephone-Event/8000/1"], 97),
        (["a=rtpmap:96 telephone-event/8000", "a=rtpmap:97 telephone-event/8000"], 96),
        (["a=rtpmap:127 telephone-event/8000"], 127),
        (["a=rtpmap:128 telephone-event/8000"], None),
        (["a=rtpmap:101 telephone-event/48000"], None),
    ],
)
def test_keys_have_the_payload_type_that_the_far_end_gave_them(lines: list[str], events: int | None) -> None:
    assert answer(said(*lines), PLAIN).events == events


@pytest.mark.parametrize(
    ("line", "port"),
    [("65535", 65535), ("65536", 0), ("100000", 0), ("none", 0), ("", 5001), ("\u0665", 0), ("-1", 0)],
)
def test_a_port_for_reports_that_is_none_means_no_reports(line: str, port: int) -> None:
    assert answer(said(f"a=rtcp:{line}"), PLAIN).rtcp_port == port


@pytest.mark.parametrize(
    ("session", "stream", "direction"),
    [
        ("", "", Direction.SENDRECV),
        ("a=sendonly", "", Direction.SENDONLY),
        ("", "a=recvonly", Direction.RECVONLY),
        ("a=sendonly", "a=sendrecv", Direction.SENDRECV),
        ("a=inactive", "a=recvonly", Direction.RECVONLY),
    ],
)
def test_the_direction_of_a_stream_wins_over_that_of_the_session(
    session: str, stream: str, direction: Direction
) -> None:
    body = said(stream).replace(b"t=0 0", b"t=0 0\r\n" + session.encode())
    assert answer(body, PLAIN).direction is direction


def test_the_address_of_a_stream_wins_over_that_of_the_session_and_either_will_do() -> None:
    assert answer(said("c=IN IP4 198.51.100.9"), PLAIN).host == "198.51.100.9"
    assert answer(said("c=IN IP4 198.51.100.9", host="pbx..example"), PLAIN).host == "198.51.100.9"
    assert answer(said("c=IN IP4 pbx..example"), PLAIN).host == "198.51.100.2"


@pytest.mark.parametrize("place", ["IN IP5 198.51.100.2", "ATM IP4 198.51.100.2", "IN IP4", "IN", "IN IP6 ff02::1"])
def test_an_address_of_another_kind_is_none(place: str) -> None:
    with pytest.raises(NoAudio, match=r"no G\.711 audio"):
        answer(said().replace(b"c=IN IP4 198.51.100.2", b"c=" + place.encode()), PLAIN)


def test_the_first_line_of_a_kind_counts() -> None:
    found = answer(said("c=IN IP4 198.51.100.8", "c=IN IP4 198.51.100.9", "a=ptime:40", "a=ptime:10"), PLAIN)
    assert (found.host, found.frame_ms) == ("198.51.100.8", 40)


def test_lines_may_end_in_a_line_feed_only() -> None:
    assert answer(said("a=sendonly").replace(b"\r\n", b"\n"), PLAIN) == answer(said("a=sendonly"), PLAIN)


def test_the_first_stream_that_can_be_used_is_used_and_16_may_be_there() -> None:
    audio = said()[said().index(b"m=") :]
    others = b"m=video 9000 RTP/AVP 31\r\n" * 14
    body = said(media="m=audio 4000 RTP/AVP 18") + others + audio
    assert answer(body, PLAIN).port == 5000
    with pytest.raises(NoAudio, match="more than 16 streams"):
        answer(body + audio, PLAIN)


def test_why_no_stream_can_be_used_is_said_of_the_last_one() -> None:
    body = said(media="m=audio 5000 RTP/AVP 18") + b"m=audio 5000 RTP/SAVP 8\r\n"
    with pytest.raises(NoAudio, match="the answer is RTP/SAVP, where RTP/AVP was offered"):
        answer(body, PLAIN)


@pytest.mark.parametrize(
    ("media", "why"),
    [
        ("m=audio 65535 RTP/AVP 8", ""),
        ("m=audio 65536 RTP/AVP 8", "no G.711 audio"),
        ("m=audio x RTP/AVP 8", "no G.711 audio"),
        ("m=audio", "no G.711 audio"),
        ("m=", "no G.711 audio"),
        ("m=audio 5000 " + "x" * 30 + " 8", "the answer is " + "x" * 20 + ", where"),
    ],
)
def test_what_a_media_line_lacks_is_said(media: str, why: str) -> None:
    if not why:
        assert answer(said(media=media), PLAIN).port == 65535
        return
    with pytest.raises(NoAudio, match=why):
        answer(said(media=media), PLAIN)


def test_an_ipv6_far_end_without_an_address_is_on_hold() -> None:
    body = said().replace(b"c=IN IP4 198.51.100.2", b"c=IN IP6 ::")
    assert answer(body, PLAIN).held
    assert b"a=inactive" in respond(body, PLAIN, answer(said(), PLAIN), 2)[1]


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


def test_no_key_shows_in_what_holds_a_description() -> None:
    """There used to be keys in the repr of a reply and of what an agent has to send."""
    ours = UserAgent(Identity("sip:gw@d", "gw", "192.0.2.1:5060"), Servers([("198.51.100.2", 5060)]))
    call = ours.call("sip:a@d", SECURE, 0.0)
    session = Negotiation(SECURE)
    session.confirm(Message((), secure(THEIRS)))
    reply = session.take_offer(Message((), method="INVITE"))
    section = Section("", "", "", {"crypto": (THEIRS,)})
    assert b"inline:" in ours.outbox[0][0]
    assert b"inline:" in reply.body
    shown = [each for each in (ours, call, session, reply, section) if "inline:" in repr(each)]
    assert shown == []


def test_a_suite_counts_in_any_case_and_a_key_only_in_its_own() -> None:
    """There used to be no call to a far end that writes the names of RFC 4568 9 in small letters."""
    (found,) = cryptos_in(["1 aes_cm_128_hmac_sha1_80 INLINE:" + KEY])
    assert (found.suite, found.key) == (Suite.SHA1_80, bytes(range(30)))


def test_the_answers_line_picks_suite_and_keys() -> None:
    found = answer(secure(THEIRS.replace("crypto:1", "crypto:2").replace("80", "32")), SECURE)
    assert found.srtp == SrtpKeys(CRYPTOS[1], theirs=Crypto(2, Suite.SHA1_32, bytes(range(30))))


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
    assert answer(secure(THEIRS + "|2^31"), SECURE).srtp is not None


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
    assert far.srtp is not None
    assert far.srtp.theirs == Crypto(5, Suite.SHA1_80, bytes(30))
    assert str(Crypto(5, Suite.SHA1_80, CRYPTOS[0].key)).encode() in described


def test_an_offer_again_is_what_was_agreed() -> None:
    again = offer_again(SECURE, answer(secure(THEIRS), SECURE), 4)
    assert b"m=audio 40000 RTP/SAVP 8 101\r\n" in again
    assert b"o=pinwheel 7 4" in again
    assert again.count(b"a=crypto") == 1
    agreed_again = answer(secure(THEIRS), again).srtp
    assert agreed_again is not None
    assert agreed_again.ours == CRYPTOS[0]


def test_an_answer_takes_the_payload_types_and_the_keys_of_the_offer() -> None:
    agreed = answer(secure(THEIRS), SECURE)
    wanted = said(
        THEIRS.replace("crypto:1", "crypto:4"),
        "a=rtpmap:96 telephone-event/8000",
        media="m=audio 7000 RTP/SAVPF 8 96",
    )
    _, described = respond(wanted, SECURE, agreed, 3)
    key = str(Crypto(4, Suite.SHA1_80, CRYPTOS[0].key))
    assert described.decode().split("\r\n") == [
        "v=0",
        "o=pinwheel 7 3 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 40000 RTP/SAVPF 8 96",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-15",
        key,
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_an_answer_without_keys_of_the_phone_has_none() -> None:
    _, described = respond(said(media="m=audio 7000 RTP/AVP 8"), PLAIN, answer(said(), PLAIN), 2)
    assert b"telephone-event" not in described
    assert b"crypto" not in described


@pytest.mark.parametrize(
    ("media", "declined"),
    [
        ("m=video 9000 RTP/AVP 31 34", "m=video 0 RTP/AVP 31 34"),
        ("m=image 9000 udptl t38", "m=image 0 udptl t38"),
        ("m=video 9000 RTP/AVP", "m=audio 0 RTP/AVP 0"),
        ("m=", "m=audio 0 RTP/AVP 0"),
        ("m=vid\u00e9o 9000 RTP/AVP 31", "m=audio 0 RTP/AVP 0"),
        ("m=video 9000 RTP/AVP \x01", "m=audio 0 RTP/AVP 0"),
    ],
)
def test_a_stream_is_declined_in_its_own_words_unless_those_are_no_media_line(media: str, declined: str) -> None:
    body = said() + f"{media}\r\n".encode()
    described = respond(body, PLAIN, answer(said(), PLAIN), 2)[1].decode()
    assert described.endswith(f"a=sendrecv\r\n{declined}\r\n")


def test_an_offer_again_has_the_law_and_the_payload_type_of_keys_that_were_agreed() -> None:
    agreed = answer(said("a=rtpmap:96 telephone-event/8000", media="m=audio 5000 RTP/AVP 0 96"), PLAIN)
    again = offer_again(PLAIN, agreed, 2).decode()
    assert "o=pinwheel 7 2 IN IP4 192.0.2.1\r\n" in again
    assert "c=IN IP4 192.0.2.1\r\n" in again
    assert "m=audio 40000 RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 " in again
    assert again.endswith("a=ptime:20\r\na=sendrecv\r\n")


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
