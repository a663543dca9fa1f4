"""Messages in the manner of RFC 4475, one for each of its sections that a user agent can meet; our own wording.

Keys: the section and its short name. Each is a datagram as it would come; `{...}` is never filled in.
"""


def _message(start: str, *headers: str, body: str = "", length: str | None = None) -> bytes:
    fields = [
        start,
        *headers,
        f"Content-Length: {len(body.encode('utf-8', 'surrogateescape')) if length is None else length}",
    ]
    return ("\r\n".join(fields) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape")


def _request(method: str = "INVITE", uri: str = "sip:gw@127.0.0.1", /, **changes: str) -> bytes:
    """An ordinary request but for the changes: headers, with _ for -, "" leaves one out; `start`, `body`, `length`."""
    start = changes.pop("start", f"{method} {uri} SIP/2.0")
    body, length = changes.pop("body", ""), changes.pop("length", None)
    fields = {
        "Via": "SIP/2.0/UDP 127.0.0.8:5060;branch=z9hG4bKt0rture",
        "Max-Forwards": "70",
        "To": "<sip:gw@127.0.0.1>",
        "From": "<sip:torturer@example.test>;tag=98asjd8",
        "Call-ID": "torture@example.test",
        "CSeq": f"1 {method}",
        "Contact": "<sip:torturer@127.0.0.8>",
    }
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    return _message(start, *(f"{name}: {value}" for name, value in fields.items() if value), body=body, length=length)


def _response(line: str = "200 OK", /, **changes: str) -> bytes:
    return _request("INVITE", start=f"SIP/2.0 {line}", **changes)


SDP = "v=0\r\no=t 1 1 IN IP4 127.0.0.8\r\ns=-\r\nc=IN IP4 127.0.0.8\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0\r\n"

TORTURE: dict[str, bytes] = {
    "3.1.1.1 wsinv": (
        b"INVITE sip:gw@127.0.0.1;unknownparam SIP/2.0\r\nTO :\r\n sip:gw@127.0.0.1 ;   tag    = 1918181833n\r\n"
        b'from   : "J Rosenberg \\\\\\""       <sip:j@example.test>\r\n  ;\r\n  tag = 98asjd8\r\n'
        b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaks@127.0.0.8\r\ncseq: 0009\r\n  INVITE\r\n"
        b"Via  : SIP  /   2.0\r\n /UDP\r\n    127.0.0.8;branch=390skdjuw\r\ns :\r\nNewFangledHeader:   newfangled\r\n"
        b" value\r\nv:  SIP  / 2.0  / TCP     spindle.example.test   ;\r\n  branch  =   z9hG4bK9ikj8\r\n"
        b'm:"Quoted string \\"\\"" <sip:j@example.test> ;\r\n      secondparam ; q = 0.33\r\n\r\n'
    ),
    "3.1.1.2 intmeth": _request(
        "!interesting-Method0123456789_*+`.%indeed'~", "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it@[::1]"
    ),
    "3.1.1.3 esc01": _request("INVITE", "sip:sips%3Auser%40example.test@127.0.0.1", To="<sip:%75se%72@127.0.0.1>"),
    "3.1.1.4 escnull": _request("REGISTER", Contact="<sip:%00@127.0.0.8>, <sip:%00%00@127.0.0.8>"),
    "3.1.1.5 esc02": _request("RE%47IST%45R", "sip:registrar@127.0.0.1"),
    "3.1.1.6 lwsdisp": _request("OPTIONS", From="caller<sip:caller@example.test>;tag=323"),
    "3.1.1.7 longreq": _request(
        "INVITE",
        "sip:" + "a" * 500 + "@127.0.0.1",
        Via=", ".join(f"SIP/2.0/UDP sip{n}.example.test;branch=z9hG4bK{n:0200d}" for n in range(33)),
        To='"' + "I have a user name of extreme proportion " * 30 + '" <sip:gw@127.0.0.1:6000;x=y>;p=' + "q" * 300,
        From="<sip:" + "amazinglylongcallername" * 40 + "@example.test>;tag=12" + "982" * 100,
        Call_ID="longreq.one" + "really" * 60 + "longcallid",
    ),
    "3.1.1.8 dblreq": _request("REGISTER") + _request("INVITE", body=SDP),
    "3.1.1.9 semiuri": _request("OPTIONS", "sip:user;par=u%40example.test@127.0.0.1"),
    "3.1.1.10 transports": _request(
        "OPTIONS", Via="SIP/2.0/UDP 127.0.0.8;branch=a, SIP/2.0/SCTP b;branch=b, SIP/2.0/UNKNOWN c;branch=c"
    ),
    "3.1.1.11 mpart01": _request(
        "MESSAGE", Content_Type="multipart/mixed;boundary=7a9c", body="--7a9c\r\n\r\n\udc80\udcff\udc81\r\n--7a9c--\r\n"
    ),
    "3.1.1.12 unreason": _response("200 = 2**3 * 5**2 но сто девяносто девять"),
    "3.1.1.13 noreason": _response("100 "),
    "3.1.2.1 badinv01": _request(
        Via="SIP/2.0/UDP 127.0.0.8;;,;,,", Contact='"Joe" <sip:joe@example.test>;;;;', To='"unterminated'
    ),
    "3.1.2.2 clerr": _request(body=SDP, length="9999"),
    "3.1.2.3 ncl": _request(body=SDP, length="-999"),
    "3.1.2.4 scalar02": _request(
        "REGISTER",
        CSeq="36893488147419103232 REGISTER",
        Max_Forwards="300",
        Expires="10000000000000000000000000000000000000000000",
        Contact="<sip:u@127.0.0.8>;expires=280297596632815",
    ),
    "3.1.2.5 scalarlg": _response(
        "503 Service Unavailable", CSeq="9292394834772304023312 OPTIONS", Retry_After="949302838503028349304023988"
    ),
    "3.1.2.6 quotbal": _request(To='"Mr. J. User <sip:j.user@example.test>'),
    "3.1.2.7 ltgtruri": _request("INVITE", "<sip:user@127.0.0.1>"),
    "3.1.2.8 lwsruri": _request(start="INVITE sip:user@127.0.0.1; lr SIP/2.0"),
    "3.1.2.9 lwsstart": _request(start="INVITE  sip:user@127.0.0.1  SIP/2.0"),
    "3.1.2.10 trws": _request("OPTIONS", start="OPTIONS sip:t@127.0.0.1 SIP/2.0  "),
    "3.1.2.11 escruri": _request("INVITE", "sip:user@127.0.0.1?Route=%3Csip:example.test%3E"),
    "3.1.2.12 baddate": _request(Date="Fri, 01 Jan 2010 16:00:00 EST"),
    "3.1.2.13 regbadct": _request("REGISTER", Contact="sip:user@example.test?Route=%3Csip:sip.example.test%3E"),
    "3.1.2.14 badaspec": _request("OPTIONS", To='"Watson, Thomas" < sip:t.watson@example.test >'),
    "3.1.2.15 baddn": _request("OPTIONS", From="Bell, Alexander <sip:a.g.bell@example.test>;tag=43"),
    "3.1.2.16 badvers": _request("OPTIONS", start="OPTIONS sip:t@127.0.0.1 SIP/7.0"),
    "3.1.2.17 mismatch01": _request("OPTIONS", CSeq="8 INVITE"),
    "3.1.2.18 mismatch02": _request("NEWMETHOD", CSeq="8 INVITE"),
    "3.1.2.19 bigcode": _response("4294967301 better not break the receiver"),
    "3.2.1 badbranch": _request("OPTIONS", Via="SIP/2.0/UDP 127.0.0.8;branch=z9hG4bK"),
    "3.3.1 insuf": _request("INVITE", To="", From="", Via="", Call_ID=""),
    "3.3.1 insuf, To and From only": _request("OPTIONS", To="", From=""),
    "3.3.2 unkscm": _request("OPTIONS", "nobodyKnowsThisScheme:totallyopaquecontent"),
    "3.3.3 novelsc": _request("OPTIONS", "soap.beep://192.0.2.103:3002"),
    "3.3.4 unksm2": _request(
        "REGISTER", To="isbn:2983792873", From="<http://www.example.test>;tag=3", Contact="<name:j>"
    ),
    "3.3.5 bext01": _request(
        "OPTIONS", Require="nothingSupportsThis, nothingSupportsThisEither", Proxy_Require="noProxies"
    ),
    "3.3.6 invut": _request("INVITE", Content_Type="application/unknownformat", body="<audio>\r\n</audio>\r\n"),
    "3.3.7 regaut01": _request("REGISTER", Authorization="NoOneKnowsThisScheme opaque-data=here"),
    "3.3.8 multi01": _request("INVITE")[:-4]
    + b"\r\nCSeq: 59 INVITE\r\nCall-ID: another@example.test\r\nTo: <sip:x@y>\r\n\r\n",
    "3.3.9 mcl01": _request("OPTIONS", body=SDP)[: -len(SDP) - 2] + b"Content-Length: 5\r\n\r\n" + SDP.encode(),
    "3.3.10 bcast": _response(Via="SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1, SIP/2.0/UDP 127.0.0.8;branch=z9hG4bK2"),
    "3.3.11 zeromf": _request("OPTIONS", Max_Forwards="0"),
    "3.3.12 cparam01": _request("REGISTER", Contact="sip:+19725552222@gw1.example.test;unknownparam"),
    "3.3.13 cparam02": _request("REGISTER", Contact="<sip:+19725552222@gw1.example.test;unknownparam>"),
    "3.3.14 regescrt": _request("REGISTER", Contact="<sip:user@example.test?Route=%3Csip:sip.example.test%3E>"),
    "3.3.15 sdp01": _request("INVITE", Accept="text/nobodyKnowsThis", Content_Type="application/sdp", body=SDP),
    "3.4.1 inv2543": (
        b"INVITE sip:gw@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.8\r\nFrom: <sip:a@b>\r\nTo: <sip:gw@b>\r\n"
        b"Call-ID: inv2543@127.0.0.8\r\nCSeq: 56 INVITE\r\nContent-Type: application/sdp\r\n\r\n" + SDP.encode()
    ),
    "none: empty": b"",
    "none: line ends": b"\r\n\r\n",
    "none: a NUL": b"\0",
    "none: octets": bytes(range(256)) * 8,
}
