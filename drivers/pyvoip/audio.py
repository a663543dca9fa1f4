"""The audio of calls: their sockets, where each callee wants its audio, and the audio process that sends it."""

import contextlib
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.pyvoip.conversation import Say
from drivers.pyvoip.options import Options, rtp_range
from drivers.pyvoip.phone_call import PhoneCall
from drivers.pyvoip.server_location import media_host
from drivers.pyvoip.transport import family_of
from drivers.pyvoip.trunk import Trunk
from drivers.rtp.keys import Keys, Profile
from drivers.rtp.messages import Media
from drivers.rtp.sockets import accept_only
from drivers.rtp.supervisor import Supervisor
from drivers.sip.address import Address
from drivers.sip.sdes import Suite
from drivers.sip.sdp import TELEPHONE_EVENT, FarEnd

PORTS_TRIED = 50  # to find a free one for RTP
PROFILES = {Suite.SHA1_80: Profile.SHA1_80, Suite.SHA1_32: Profile.SHA1_32}


class CannotSpeak(Exception):
    """There is no audio process, or no address; the text says why."""


@dataclass(frozen=True, slots=True)
class Located:
    """A command: the name of a far end's audio host was looked up. host: its address, or "" """

    number: int
    audio: FarEnd
    host: str


class Audio:
    """Belongs to the signalling thread. located: takes the answer of a look-up on any thread, for `on_located`."""

    def __init__(
        self, options: Options, trunk: Trunk, supervisor: Supervisor, located: Callable[[Located], None]
    ) -> None:
        self._options = options
        self._trunk = trunk
        self._supervisor = supervisor
        self._located = located

    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """UDP sockets on a free even port of rtp_ports and on the next, for RTCP (RFC 3550 11). Raises OSError."""
        even = rtp_range(self._options.rtp_ports)
        for port in random.sample(even, min(len(even), PORTS_TRIED)):
            with contextlib.ExitStack() as opened:
                rtp, rtcp = (opened.enter_context(self._udp_socket()) for _ in range(2))
                try:
                    rtp.bind((self._trunk.interface, port))
                    rtcp.bind((self._trunk.interface, port + 1))
                except OSError:
                    continue
                opened.pop_all()
                return rtp, rtcp
        raise OSError("no free port")

    def _udp_socket(self) -> socket.socket:
        """It takes nothing until there is an answer: early media may come from elsewhere than the callee's audio."""
        sock = socket.socket(family_of(self._trunk.interface), socket.SOCK_DGRAM)
        accept_only(sock, ())
        return sock

    def aim(self, call: PhoneCall, audio: FarEnd) -> None:
        """Send the audio there; a name is looked up first, one at a time for a call. Raises CannotSpeak."""
        call.audio = audio
        if audio.named:
            self._look_up(call, audio)
        elif call.speech.streaming:
            self._supervisor.pacer.move(call.number, self._media(call, audio))
        else:
            self._play(call, audio)

    def say(self, call: PhoneCall, say: Say | None) -> None:
        """The next utterance, if there is one."""
        if say is not None and call.speech.streaming:
            payload = call.speech.say(say)
            self._supervisor.pacer.say(call.number, payload, utterance=len(call.speech.said))

    def stop(self, call: PhoneCall) -> None:
        if call.speech.streaming:
            self._supervisor.pacer.stop(call.number)

    # --- names ---

    def _look_up(self, call: PhoneCall, audio: FarEnd) -> None:
        if not call.looking_up:
            call.looking_up = True
            asked = (call.number, audio, call.rtp.family)
            threading.Thread(target=self._ask, args=asked, name="media-lookup", daemon=True).start()

    def _ask(self, number: int, audio: FarEnd, family: socket.AddressFamily) -> None:
        """On a thread of its own."""
        self._located(Located(number, audio, media_host(audio.host, family)))

    def on_located(self, call: PhoneCall, found: Located) -> None:
        """Raises CannotSpeak."""
        call.looking_up = False
        if call.course.ended is not None or call.audio is None:
            return
        if found.audio is not call.audio:  # it moved meanwhile
            if call.audio.named:
                self._look_up(call, call.audio)
        elif found.host:
            self.aim(call, replace(found.audio, host=found.host))
        else:
            raise CannotSpeak("the name of the callee's audio host has no address")

    # --- the audio process ---

    def _play(self, call: PhoneCall, audio: FarEnd) -> None:
        if not self._supervisor.ready:
            raise CannotSpeak(self._supervisor.problem)
        speech = call.speech
        speech.payload_type = audio.payload_type
        media, listens, first = self._media(call, audio), speech.talk.listens, speech.say(speech.talk.begin())
        self._supervisor.pacer.play(
            call.number, call.rtp, media, first, utterance=1, hold=True, listen=listens, rtcp=call.rtcp
        )
        speech.streaming = True

    def _media(self, call: PhoneCall, far: FarEnd) -> Media:
        servers = self._trunk.agent.servers.addresses if self._trunk.agent is not None else []
        near = tuple(host for host, _ in servers)
        return media_of(far, call.sip.strangers, near, symmetric=self._options.symmetric_rtp)


def media_of(far: FarEnd, strangers: tuple[Address, ...], near: tuple[str, ...], *, symmetric: bool) -> Media:
    """How the audio process is to send. strangers, near: as of `drivers.rtp.source.Signalled`.

    Keys come by our number for them, or by theirs: not all keep RFC 3264 6.1.
    """
    keys = Keys(PROFILES[far.srtp.ours.suite], far.srtp.ours.key, far.srtp.theirs.key) if far.srtp else None
    return Media(
        far.payload_type,
        target=(far.host, far.port),
        symmetric=symmetric,
        rtcp_port=far.rtcp_port,
        events=tuple({TELEPHONE_EVENT, far.events or TELEPHONE_EVENT}),
        frame_ms=far.frame_ms,
        held=far.held,
        keys=keys,
        laws=far.laws,
        near=near,
        strangers=strangers,
    )
