"""sipp (Debian's sip-tester) as a trunk that gives one scripted answer."""

import re
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.peers.baresip import free_port

HEADERS = """[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port]>
Content-Length: 0
"""
SEND = "<send{attributes}><![CDATA[\n\nSIP/2.0 {line}\n" + HEADERS + "\n]]></send>\n"


def refuses(*lines: str) -> str:
    """A scenario: the responses in order, the last of them final; then the ACK has to come."""
    *before, last = lines
    steps = [SEND.format(line=line, attributes="") for line in before]
    final = SEND.format(line=last, attributes=' retrans="500"')
    return _scenario("".join(steps) + '<pause milliseconds="100"/>' + final + '<recv request="ACK" timeout="8000"/>')


def rings_until_cancelled() -> str:
    """180, then 200 to CANCEL and 487 to INVITE, whose ACK has to come."""
    final = SEND.format(line="487 Request Terminated", attributes="").replace("[last_CSeq:]", "CSeq: [cseq] INVITE")
    final = final.replace("[last_Via:]", "[$via]")
    first = (
        '<recv request="INVITE"><action><ereg regexp=".*" search_in="hdr" header="Via:" assign_to="1"/></action></recv>'
    )
    return _document(
        first
        + SEND.format(line="180 Ringing", attributes="")
        + '<recv request="CANCEL" timeout="8000"/>'
        + SEND.format(line="200 OK", attributes="")
        + final.replace("[$via]", "Via: [$1]")
        + '<recv request="ACK" timeout="8000"/>'
    )


SDP = """v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""


def say(line: str, *more: str, sdp: bool | str = False, lost: bool = False) -> str:
    """A response; more: header lines; sdp: a description, True for the usual one.

    lost: it never leaves, as a datagram that gets lost.
    """
    extra = "".join(f"{header}\n" for header in more)
    headers = HEADERS.replace("Content-Length: 0\n", extra + "Content-Length: [len]\n")
    body = "Content-Type: application/sdp\n\n" + (SDP if sdp is True else sdp) if sdp else ""
    attributes = ' lost="100"' if lost else ""
    headers = headers.replace("Content-Length: [len]\n", "Content-Length: [len]\n" + body) if sdp else headers
    return f"<send{attributes}><![CDATA[\n\nSIP/2.0 {line}\n{headers}\n]]></send>\n"


def hear(method: str, *, containing: str = "", lost: bool = False) -> str:
    """A request that has to come; containing: a regular expression somewhere in it. lost: sipp drops it."""
    check = f"<action>{_found(containing)}</action>" if containing else ""
    attributes = ' lost="100"' if lost else ""
    return f'<recv request="{method}" timeout="12000"{attributes}>{check}</recv>\n'


def hear_answer(status: int) -> str:
    return f'<recv response="{status}" timeout="8000"/>\n'


def ask(method: str, *, cseq: int = 1, sdp: bool | str = False, key: str = "") -> str:
    """A request within the dialog, from the callee. key: one that was pressed, as a phone reports it by INFO."""
    content, kind = (SDP if sdp is True else sdp, "application/sdp") if sdp else ("", "")
    if key:
        content, kind = f"Signal={key}\nDuration=160\n", "application/dtmf-relay"
    body = f"Content-Type: {kind}\nContent-Length: [len]\n\n{content}" if kind else "Content-Length: 0\n\n"
    return f"""<send><![CDATA[

{method} [$target] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: [$to];tag=[pid]SIPpTag[call_number]
To: [$from]
[last_Call-ID:]
CSeq: {cseq} {method}
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
{body}]]></send>
"""


REMEMBER = """<recv request="INVITE"><action>
<ereg regexp="sip:[A-Za-z0-9@.:]*" search_in="hdr" header="Contact:" assign_to="target"/>
<ereg regexp="[^ ].*" search_in="hdr" header="From:" assign_to="from"/>
<ereg regexp="[^ ].*" search_in="hdr" header="To:" assign_to="to"/>
</action></recv>
"""


def pause(milliseconds: int) -> str:
    return f'<pause milliseconds="{milliseconds}"/>\n'


def script(*steps: str, containing: str = "") -> str:
    """A scenario that begins with an INVITE, containing a regular expression, and goes on like this."""
    first = REMEMBER.replace("</action>", f"{_found(containing)}</action>") if containing else REMEMBER
    used = first + "".join(steps)
    variables = "target,from,to" + (",found" if "found" in used else "")
    return _document(used + f'<Reference variables="{variables}"/>')


def _found(pattern: str) -> str:
    """A check of the whole message; the pattern may hold no angle brackets, which sipp's reader takes for XML."""
    return f'<ereg regexp="{pattern}" search_in="msg" check_it="true" assign_to="found"/>'


def _scenario(steps: str) -> str:
    return _document('<recv request="INVITE"/>\n' + steps)


def _document(steps: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="callee">\n{steps}\n</scenario>\n'


def _cseq(headers: str) -> str:
    found = re.search(r"^CSeq: *(\d+)", headers, re.MULTILINE)
    return found[1] if found else "?"


ANSWERED_ELSEWHERE = _scenario(
    say("200 OK", sdp=True).replace("c=IN IP4 [local_ip]", "c=IN IP4 [host]").replace("[media_port]", "[port]")
    + '<recv request="ACK"/><recv request="BYE" crlf="true"/>'
    + say("200 OK")
)
"""Answers, with audio at a host and port that stand in brackets."""


def calls_and_plays(audio: Path, milliseconds: int) -> str:
    """A caller that plays a file of mu-law octets, again and again, for so long."""
    return _document(
        """<send retrans="500"><![CDATA[

INVITE sip:callee@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]T[call_number]
To: <sip:callee@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="100" optional="true"/><recv response="180" optional="true"/><recv response="200" rrs="true"/>
<send><![CDATA[

ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]T[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"""
        + f'<nop><action><exec rtp_stream="{audio},-1,0"/></action></nop><pause milliseconds="{milliseconds}"/>'
    )


class Sipp:
    """One sipp that serves one call; a context manager. `succeeded` says whether its script ran to the end."""

    def __init__(self, directory: Path, scenario: str, host: str = "127.0.0.3") -> None:
        self._directory = directory / "sipp"
        self._scenario = scenario
        self._host, self._port = host, free_port(host, socket.SOCK_DGRAM)
        self.address = f"{host}:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Sipp":
        self._directory.mkdir(parents=True)
        (self._directory / "scenario.xml").write_text(self._scenario)
        command = ["sipp", "-sf", "scenario.xml", "-i", self._host, "-p", str(self._port), "-m", "1", "-nostdin"]
        command += ["-timeout", "30", "-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages"]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_listens()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def succeeded(self, seconds: float = 10.0) -> bool:
        """Wait for its end; whether every message that it expected came."""
        assert self._process is not None
        return self._process.wait(seconds) == 0

    def received(self) -> Counter[str]:
        """How often each request came, retransmissions among them: {"INVITE 1": 2, "ACK 1": 1, "BYE 2": 1}."""
        messages = (self._directory / "messages").read_text(errors="replace")
        came = re.findall(
            r"message received \[\d+\] bytes ?:\s+([A-Z]+) \S+ SIP/2.0\s(.*?)\n\s*\n", messages, re.DOTALL
        )
        return Counter(f"{method} {_cseq(headers)}" for method, headers in came)

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if f":{self._port:04X} " in Path("/proc/net/udp").read_text():
                return
            time.sleep(0.02)
        raise AssertionError("sipp did not start")
