"""Offer and answer (RFC 3264): what one dialog has agreed on its audio, from our INVITE to the last change."""

import contextlib
from dataclasses import dataclass, field, replace

from drivers.sip.body import description
from drivers.sip.message import Message
from drivers.sip.replies import NOT_ACCEPTABLE, OK, PENDING, Reply
from drivers.sip.sdp import FarEnd, NoAudio, answer, offer_again, respond


@dataclass(slots=True)
class Negotiation:
    """offer: our description in the INVITE; audio: the far end's, as agreed, or None before."""

    offer: bytes = field(repr=False)
    audio: FarEnd | None = None
    awaits_answer: bool = False  # the far end's ACK holds it, as its INVITE had no offer
    _first: FarEnd | None = None  # the answer in a provisional response
    _version: int = 1  # of our description (8)
    _described: bytes = field(default=b"", repr=False)  # the last one after the offer

    @property
    def described(self) -> bytes:
        """Our description as it holds now."""
        return self._described or self.offer

    def take_early(self, response: Message) -> None:
        """A provisional response: the first description in one is the answer, where the 2xx has none (13.2.1)."""
        body = description(response)
        if body and self.audio is None:
            with contextlib.suppress(NoAudio):
                self.audio = self._first = answer(body, self.offer)

    def confirm(self, response: Message) -> None:
        """A 2xx to INVITE. Raises NoAudio where there is none."""
        if self.audio is None or description(response):
            found = answer(description(response), self.offer)
            if self.audio is None or found != self._first:  # repeated, it is older than an UPDATE since
                self.audio = found

    def take_offer(self, request: Message) -> Reply:
        """INVITE or UPDATE of the far end: what we answer (RFC 3264 8, RFC 3311); `audio` is what holds then."""
        body = description(request)
        if not body and request.method == "UPDATE":
            return OK
        if self.audio is None:
            return PENDING
        audio, version = self.audio, self._version + 1
        try:
            if body:
                audio, self._described = respond(body, self.offer, self.audio, version)
            else:
                self._described = offer_again(self.offer, self.audio, version)
        except NoAudio:  # all stays as it was (RFC 3261 14.2)
            return NOT_ACCEPTABLE
        self._version, self.awaits_answer = version, not body
        self._move(audio)
        return replace(OK, body=self._described)

    def take_change(self, message: Message) -> None:
        """An answer in an ACK, or in a 2xx to our refreshing: the audio may move (RFC 3264 8.3)."""
        body = description(message)
        if body and self.audio is not None:
            with contextlib.suppress(NoAudio):
                self._move(answer(body, self.offer))

    def _move(self, audio: FarEnd) -> None:
        """The law of the first answer stays, as what is spoken is encoded by it already."""
        if self.audio is not None and audio.payload_type == self.audio.payload_type:
            self.audio = audio
