"""The phones that a call rings at: a proxy may fork an INVITE, and each phone that responds has an early dialog."""

from dataclasses import dataclass, field

from drivers.sip.address import Address
from drivers.sip.dialog import Dialog, dialog_from
from drivers.sip.message import Message, tag_of

MOST_PHONES = 32  # of one call whose early dialogs are kept


@dataclass(slots=True)
class Fork:
    """The early dialogs of a call that was not answered yet, by the far end's tag (RFC 3261 12.1.2)."""

    called: str = field(repr=False)
    offer: bytes = field(repr=False)
    _dialogs: dict[str, Dialog] = field(default_factory=dict)

    def get(self, tag: str) -> Dialog | None:
        return self._dialogs.get(tag)

    def take(self, response: Message, home: Address) -> Dialog | None:
        """The dialog of whoever responded, made if need be; None where there are too many. home: as of `Dialog`."""
        tag = tag_of(response.get("to"))
        if tag not in self._dialogs and len(self._dialogs) < MOST_PHONES:
            self._dialogs[tag] = self.dialog_of(response, home)
        return self._dialogs.get(tag)

    def dialog_of(self, response: Message, home: Address) -> Dialog:
        """A new dialog, as the response makes it."""
        return dialog_from(response, self.called, home, self.offer)

    def choose(self, tag: str) -> tuple[Dialog | None, tuple[Address, ...]]:
        """A phone answered: its early dialog, if any, and where the audio of the others is. All are forgotten.

        Its provisional responses may have had no tag (12.1.2, as RFC 2543 allowed).
        """
        chosen = self._dialogs.get(tag) or self._dialogs.get("")
        others = [each.session.audio for each in self._dialogs.values() if each is not chosen]
        self._dialogs = {}
        return chosen, tuple((audio.host, audio.port) for audio in others if audio is not None)
