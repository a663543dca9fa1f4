"""The calls of a phone: each rings, is answered or refused, and ends, as its handset does (RFC 3261 13, 15)."""

import hashlib
import itertools
import logging
import secrets
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drivers.simulated.phone.audio import FRAME_S, QUIET_S, Audio
from drivers.simulated.phone.events import Kind, PhoneEvent
from drivers.simulated.phone.exchange import ALLOW, GIVE_UP_S, T1_S, Exchange
from drivers.simulated.phone.handsets import HANDSETS, ORDINARY, Handset
from drivers.simulated.phone.message import (
    Address,
    DialogKey,
    Message,
    address_of,
    compose,
    dialog_of,
    digits_of,
    octets_of,
    tag_of,
    transaction_of,
    uri_of,
)
from drivers.simulated.phone.recording import CallRecord, write_wav
from drivers.simulated.phone.registrar import Registrar
from drivers.simulated.phone.sdp import RATE, read_offer, write_answer

log = logging.getLogger("pinwheel.simulated.phone")

NETWORK_RINGS_S = 180.0  # no network lets a phone ring longer
KEPT_CALLS = 200


@dataclass(frozen=True, slots=True)
class Manner:
    """How calls are taken. recordings: where they are written; codec: take only "pcmu" or "pcma"."""

    recordings: Path | None
    ring_s: float
    codec: str


@dataclass(slots=True, eq=False)
class IncomingCall:
    """One call under way. acknowledged, bye_answered: the ACK, or the answer to our BYE, has come."""

    invite: Message
    source: Address
    handset: Handset
    record: CallRecord
    audio: Audio
    sdp: bytes = field(repr=False)
    tag: str = field(default_factory=lambda: secrets.token_hex(8))
    acknowledged: bool = False
    bye_answered: bool = False

    @property
    def over(self) -> bool:
        return self.record.ended_at is not None

    @property
    def waits(self) -> bool:
        """Neither answered nor refused nor cancelled."""
        return self.record.status == 0


class Calls:
    """All calls of one phone, on its thread. records: the last of them, in the order in which they came."""

    def __init__(
        self,
        exchange: Exchange,
        registrar: Registrar,
        selector: selectors.BaseSelector,
        manner: Manner,
        listener: Callable[[PhoneEvent], None],
        records: list[CallRecord],
    ) -> None:
        self._exchange, self._registrar, self._selector = exchange, registrar, selector
        self._manner, self._listener, self._records = manner, listener, records
        self._under_way: dict[DialogKey, IncomingCall] = {}
        self._numbers = itertools.count(1)
        self._contact = ("Contact", f"<sip:phone@{exchange.address}>")

    # --- what comes ---

    def invite(self, request: Message, source: Address) -> None:
        call = self._under_way.get(dialog_of(request))
        if tag_of(request.first("to")):
            self._invite_again(call, request, source)
        elif call is not None and not call.over:
            self._exchange.reply(request, source, 482)
        elif self._registrar.passes(request, source):
            self._ring(request, source)

    def _invite_again(self, call: IncomingCall | None, request: Message, source: Address) -> None:
        if call is None or call.over or tag_of(request.first("to")) != call.tag:
            self._exchange.reply(request, source, 481)
        else:
            self._exchange.reply(request, source, 200, self._contact, body=call.sdp)

    def ack(self, request: Message) -> None:
        call = self._under_way.get(dialog_of(request))
        ours = call is not None and tag_of(request.first("to")) == call.tag and request.cseq == call.invite.cseq
        if call is None or not ours or call.acknowledged:
            return
        call.acknowledged = True
        if not call.handset.mute:
            self._keep_quiet(call, 0)
        if call.handset.talks_s is not None:
            self._after(call.handset.talks_s, lambda: self._hang_up(call))

    def cancel(self, request: Message, source: Address) -> None:
        call = self._under_way.get(dialog_of(request))
        if call is None or transaction_of(call.invite, "") != transaction_of(request, ""):
            self._exchange.reply(request, source, 481)
            return
        self._exchange.reply(request, source, 200, tag=call.tag)
        if call.waits:
            self._refuse(call, 487)

    def bye(self, request: Message, source: Address) -> None:
        call = self._under_way.get(dialog_of(request))
        if call is None or call.over or tag_of(request.first("to")) != call.tag:
            self._exchange.reply(request, source, 481)
            return
        self._exchange.reply(request, source, 200)
        if call.waits:  # an early dialog may be ended so (RFC 3261 15.1.2)
            self._refuse(call, 487)
        else:
            self._end(call)

    def response(self, response: Message) -> None:
        """Only our BYE can be answered."""
        call = self._under_way.get((response.first("call-id"), tag_of(response.first("to"))))
        if call is not None and response.status >= 200:
            call.bye_answered = True

    def end_all(self) -> None:
        """The phone closes."""
        for call in list(self._under_way.values()):
            if call.waits:
                self._refuse(call, 480)
            else:
                self._hang_up(call)

    # --- what the handset does ---

    def _ring(self, request: Message, source: Address) -> None:
        offer = read_offer(request.body, self._manner.codec)
        self._exchange.reply(request, source, 100)
        if offer is None:
            self._exchange.reply(request, source, 488)
            return
        number = digits_of(request.uri)
        record = CallRecord(next(self._numbers), number, offer.codec)
        audio = Audio(self._exchange.host, offer, record)
        sdp = write_answer(offer, self._exchange.host, audio.port)
        call = IncomingCall(request, source, HANDSETS.get(number[-2:], ORDINARY), record, audio, sdp)
        self._selector.register(audio.sock, selectors.EVENT_READ, audio.read)
        self._under_way[dialog_of(request)] = call
        self._records.append(record)
        del self._records[:-KEPT_CALLS]
        if call.handset.rings_after_s is not None:
            self._after(call.handset.rings_after_s, lambda: self._alert(call))
        elif call.handset.final is not None:
            self._refuse(call, call.handset.final)

    def _alert(self, call: IncomingCall) -> None:
        if not call.waits:
            return
        self._respond(call, *((183, call.sdp) if call.handset.early_media else (180,)))
        self._report("ringing", call)
        if call.handset.early_media:
            self._play_tone(call, 0, time.monotonic())
        if call.handset.final is None:
            self._after(NETWORK_RINGS_S, lambda: self._refuse(call, 480))
        elif call.handset.final == 200:
            self._after(self._manner.ring_s, lambda: self._answer(call))
        else:
            final = call.handset.final
            self._after(self._manner.ring_s, lambda: self._refuse(call, final))

    def _answer(self, call: IncomingCall) -> None:
        if not call.waits:
            return
        call.record.status, call.record.answered_at = 200, time.monotonic()
        data, to = self._respond(call, 200, call.sdp)
        self._report("answered", call)
        # Without an ACK there is no call (RFC 3261 13.3.1.4). The response has gone out once already.
        done, give_up = (lambda: call.acknowledged or call.over), (lambda: self._hang_up(call))
        self._after(T1_S, lambda: self._exchange.repeat(data, to, done, give_up))

    def _refuse(self, call: IncomingCall, status: int) -> None:
        """Any final response but 200; it is repeated like that one (RFC 3261 17.2.1)."""
        if not call.waits:
            return
        call.record.status = status
        data, to = self._respond(call, status)
        self._after(T1_S, lambda: self._exchange.repeat(data, to, lambda: call.acknowledged, lambda: None))
        self._end(call)

    def _play_tone(self, call: IncomingCall, count: int, due: float) -> None:
        """Early media, until the answer."""
        if not call.waits:
            return
        call.audio.send_tone(count)
        due += FRAME_S
        self._after(due - time.monotonic(), lambda: self._play_tone(call, count + 1, due))

    def _keep_quiet(self, call: IncomingCall, count: int) -> None:
        """Silence, as a phone sends it when nobody speaks into it; few packets, as they only show where it is."""
        if call.over:
            return
        call.audio.send_silence(count)
        self._after(QUIET_S, lambda: self._keep_quiet(call, count + 1))

    def _hang_up(self, call: IncomingCall) -> None:
        """BYE to the caller's contact, along the route that the INVITE recorded (RFC 3261 12.1.1)."""
        if call.over:
            return
        target = uri_of(call.invite.first("contact")) or uri_of(call.invite.first("from"))
        routes = call.invite.every("record-route")
        headers = [("Via", f"SIP/2.0/UDP {self._exchange.address};branch=z9hG4bK{secrets.token_hex(8)};rport")]
        headers += [("Max-Forwards", "70"), *(("Route", route) for route in routes)]
        headers += [("From", f"{call.invite.first('to')};tag={call.tag}"), ("To", call.invite.first("from"))]
        headers += [("Call-ID", call.invite.first("call-id")), ("CSeq", "1 BYE")]
        to = address_of(uri_of(routes[0]) if routes else target, call.source)
        bye = compose(f"BYE {target} SIP/2.0", headers)
        self._exchange.repeat(bye, to, lambda: call.bye_answered, lambda: None)
        self._end(call)

    # --- the end ---

    def _end(self, call: IncomingCall) -> None:
        """Write down what came, and forget the call when nothing can come for it any more."""
        self._selector.unregister(call.audio.sock)
        call.audio.close()
        call.record.ended_at = time.monotonic()
        self._report("ended", call, call.record.talk_s)
        if call.record.answered_at is not None and self._manner.recordings is not None:
            self._write(call, self._manner.recordings)
        self._after(GIVE_UP_S, lambda: self._forget(call))

    def _write(self, call: IncomingCall, folder: Path) -> None:
        name = hashlib.sha256(octets_of(call.invite.first("call-id"))).hexdigest()[:12]
        path, pcm = folder / f"{name}-{call.record.number[-4:] or 'none'}.wav", call.record.pcm
        try:
            write_wav(path, pcm)
        except OSError as exc:
            log.warning("phone=not-recorded call=%s error=%s", call.record.call, exc.strerror)
            return
        call.record.wav = path
        self._report("recorded", call, len(pcm) / 2 / RATE)

    def _forget(self, call: IncomingCall) -> None:
        if self._under_way.get(dialog_of(call.invite)) is call:
            del self._under_way[dialog_of(call.invite)]

    # --- helpers ---

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._exchange.timers.after(seconds, action)

    def _respond(self, call: IncomingCall, status: int, body: bytes = b"") -> tuple[bytes, Address]:
        routes = [("Record-Route", value) for value in call.invite.every("record-route")]
        return self._exchange.reply(
            call.invite, call.source, status, *routes, self._contact, ALLOW, tag=call.tag, body=body
        )

    def _report(self, kind: Kind, call: IncomingCall, seconds: float = 0.0) -> None:
        record = call.record
        log.info("phone=%s call=%s status=%s packets=%s", kind, record.call, record.status, record.packets)
        seconds = round(seconds, 3)
        self._listener(
            PhoneEvent(
                kind,
                record.number,
                record.call,
                record.wav,
                seconds=seconds,
                packets=record.packets,
                lost=record.lost,
                status=record.status,
            )
        )
