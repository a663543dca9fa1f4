"""SRTP (RFC 3711) with keys that the signalling agreed on. libsrtp does it, imported only where a call needs it."""

from typing import TYPE_CHECKING

from drivers.rtp.keys import Keys, Profile

if TYPE_CHECKING:
    from pylibsrtp import Session


class CannotProtect(Exception):
    """There is no library for it, or it does not take these keys: nothing may be sent."""


class SrtpContext:
    """One stream each way. Raises CannotProtect."""

    def __init__(self, keys: Keys) -> None:
        try:
            import pylibsrtp
        except ImportError as exc:
            raise CannotProtect("SRTP needs the Python package pylibsrtp") from exc
        self._library, self._profile = pylibsrtp, keys.profile
        outbound = self._session(keys.ours, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.protect, self.protect_rtcp = outbound.protect, outbound.protect_rtcp
        self.expect(keys.theirs)

    def expect(self, theirs: bytes) -> None:
        """The far end protects with this key from now on."""
        self._unprotect = self._session(theirs, self._library.Policy.SSRC_ANY_INBOUND).unprotect

    def _session(self, key: bytes, which: int) -> "Session":
        policy = self._library.Policy
        profiles = {
            Profile.SHA1_80: policy.SRTP_PROFILE_AES128_CM_SHA1_80,
            Profile.SHA1_32: policy.SRTP_PROFILE_AES128_CM_SHA1_32,
        }
        try:
            return self._library.Session(policy(key, which, srtp_profile=profiles[self._profile]))
        except (self._library.Error, ValueError) as exc:
            raise CannotProtect("libsrtp does not take these keys") from exc

    def unprotect(self, packet: bytes) -> bytes:
        """The packet in clear; b"" for one that the far end did not send, or that came before."""
        try:
            return bytes(self._unprotect(packet))
        except (self._library.Error, ValueError):
            return b""
