"""SMS PDUs (3GPP 23.040): SUBMIT is built; STATUS-REPORT and DELIVER are read.

`gsmmodem.pdu` is the codec for septets, UCS2 and concatenation. What it gets wrong is done here: the type of number,
the validity period, the choice and splitting of the alphabet, 0x5F of GSM-7, and time stamps that no calendar knows.
"""

from dataclasses import dataclass, field

from gsmmodem import pdu as codec
from gsmmodem.exceptions import EncodingError

from drivers import Delivery, IncomingSms, Sms, StatusReport

CODEC_ERRORS = (EncodingError, ValueError, IndexError, KeyError, TypeError, StopIteration, RuntimeError, OverflowError)

SUBMIT, VP_RELATIVE, UDHI, SRR = 0x01, 0x10, 0x40, 0x20  # first octet (23.040 9.2.3.1, 9.2.3.3, 9.2.3.23, 9.2.3.5)
INTERNATIONAL, UNKNOWN = 0x91, 0x81  # type of number, ISDN numbering plan (23.040 9.1.2.5)
DCS_GSM7, DCS_8BIT, DCS_UCS2 = 0x00, 0x04, 0x08  # 23.038 4
DCS_CLASS_0 = 0x10  # beside the alphabet: to be shown at once, and kept nowhere (23.038 4)
UNITS_ALONE = {DCS_GSM7: 160, DCS_UCS2: 70}  # septets or UCS2 characters in a message of one part
UNITS_EACH = {DCS_GSM7: 153, DCS_UCS2: 67}  # in each of several, beside a 6-octet header
MAX_PARTS = 255
MAX_DIGITS = 15  # E.164 6.1
SHORT_CODE = range(3, 7)  # digits of a number that the network itself resolves; no E.164 number is so short
SOME_SCTS = bytes.fromhex("62114221000000")  # any valid time stamp (9.2.3.11)
MTI_DELIVER, MTI_STATUS_REPORT = 0, 2  # 23.040 9.2.3.1, service centre to mobile


class PduError(Exception):
    """A message cannot be encoded, or a PDU cannot be read; the text holds neither."""


@dataclass(frozen=True, slots=True)
class SubmitPdu:
    """hex: service centre (none: the SIM's) and TPDU; length: of the TPDU in octets, as AT+CMGS wants it."""

    hex: str = field(repr=False)
    length: int


# --- out ---------------------------------------------------------------------------------------------------


def encode_submit(sms: Sms, reference: int = 0) -> list[SubmitPdu]:
    """The parts of a message, in order. reference: 0-255, ties the parts of a long message together.

    Characters that no SMS can carry (beyond the Basic Multilingual Plane, controls) become "?". Raises PduError.
    """
    if not (sms.number.isascii() and sms.number.isdigit() and SHORT_CODE[0] <= len(sms.number) <= MAX_DIGITS):
        raise PduError("cannot send to a number that is neither E.164 digits nor a short code")
    text = sendable(sms.text)
    dcs = alphabet(text)
    parts = split(text, dcs)
    if len(parts) > MAX_PARTS:
        raise PduError(f"cannot send a message of {len(parts)} parts: {MAX_PARTS} is the most")
    headers = [_concatenation(reference, len(parts), number) for number in range(1, len(parts) + 1)]
    return [_submit(sms, dcs, *part) for part in zip(parts, headers, strict=True)]


def sendable(text: str) -> str:
    """The text with "?" for what UCS2 cannot carry."""
    return "".join("?" if ord(char) > 0xFFFF or 0xD800 <= ord(char) <= 0xDFFF else char for char in text)


def alphabet(text: str) -> int:
    """The data coding scheme: GSM-7 if every character has a place there, else UCS2."""
    return DCS_GSM7 if all(_septets(char) for char in text) else DCS_UCS2


def _septets(char: str) -> int:
    """How many septets a character takes (23.038 6.2.1); 0 if it has none. The codec has ` where § belongs."""
    if char in "`\x1b\xff":
        return 0
    if char == "§" or char in codec.GSM7_BASIC:
        return 1
    return 2 if char in codec.GSM7_EXTENDED else 0


def units(text: str, dcs: int) -> list[int]:
    """What each character takes of UNITS_ALONE: septets, or one of UCS2."""
    return [_septets(char) if dcs == DCS_GSM7 else 1 for char in text]


def split(text: str, dcs: int) -> list[str]:
    """The text in parts that fit, no escape pair cut."""
    sizes = units(text, dcs)
    if sum(sizes) <= UNITS_ALONE[dcs]:
        return [text]
    parts, used = [""], 0
    for char, size in zip(text, sizes, strict=True):
        if used + size > UNITS_EACH[dcs]:
            parts.append("")
            used = 0
        parts[-1] += char
        used += size
    return parts


def _concatenation(reference: int, parts: int, number: int) -> bytes:
    """The user data header of one part (9.2.3.24.1), with its length; empty for a message of one part."""
    if parts == 1:
        return b""
    element = codec.Concatenation()
    element.reference, element.parts, element.number = reference & 0xFF, parts, number
    encoded = bytes(element.encode())
    return bytes([len(encoded)]) + encoded


def _submit(sms: Sms, dcs: int, part: str, header: bytes) -> SubmitPdu:
    first = SUBMIT | VP_RELATIVE | SRR | (UDHI if header else 0)
    kind = UNKNOWN if len(sms.number) in SHORT_CODE else INTERNATIONAL
    address = bytes([len(sms.number), kind]) + bytes(codec.encodeSemiOctets(sms.number))
    length, data = _user_data(part, dcs, header)
    coding = dcs | (DCS_CLASS_0 if sms.flash else 0)
    tpdu = bytes([first, 0]) + address + bytes([0, coding, relative_validity(sms.validity_s), length]) + data
    return SubmitPdu((b"\x00" + tpdu).hex().upper(), len(tpdu))


def _user_data(part: str, dcs: int, header: bytes) -> tuple[int, bytes]:
    """TP-UDL, in septets or octets by the alphabet, and TP-UD (9.2.3.16, 9.2.3.24)."""
    if dcs == DCS_UCS2:
        data = header + bytes(codec.encodeUcs2(part))
        return len(data), data
    septets = codec.encodeGsm7(part.replace("§", "`"))
    header_septets = -(-len(header) * 8 // 7)
    used_bits = len(header) * 8 % 7  # of the header's last septet; the codec calls these its padding
    return header_septets + len(septets), header + bytes(codec.packSeptets(septets, padBits=used_bits))


def relative_validity(validity_s: int) -> int:
    """TP-VP (9.2.3.12.1): the longest step that is not longer than validity_s, but at least 5 minutes."""
    minutes = max(validity_s // 60, 5)
    for first, unit, low, high in ((0, 5, 0, 143), (12 * 60, 30, 143, 167), (0, 24 * 60, 166, 196)):
        value = low + (minutes - first) // unit - (1 if low == 0 else 0)
        if value <= high:
            return value
    return min(192 + minutes // (7 * 24 * 60), 255)


# --- in ----------------------------------------------------------------------------------------------------


def decode(hex_digits: str) -> StatusReport | IncomingSms:
    """A PDU from +CDS, +CMT, +CMGR or +CMGL, with its service centre. Raises PduError for anything else."""
    try:
        octets = bytes.fromhex(hex_digits)
        start = 1 + octets[0]
        kind = octets[start] & 0x03
        if kind == MTI_STATUS_REPORT:
            return _status_report(octets[start + 1 :])
        if kind == MTI_DELIVER:
            return _deliver(octets, start)
    except CODEC_ERRORS:
        raise PduError("cannot read a PDU") from None
    raise PduError(f"cannot use a PDU of type {kind}")


def _status_report(octets: bytes) -> StatusReport:
    """TP-MR, TP-RA, TP-SCTS, TP-DT, TP-ST (9.2.2.3). The time stamps are passed over: some networks send zeros."""
    reference, digits = octets[0], octets[1]
    end = 3 + (digits + 1) // 2
    status = octets[end + 14]
    return StatusReport(reference, _swapped(octets[3:end])[:digits], delivery(status), status)


def _swapped(octets: bytes) -> str:
    """Semi-octets, low nibble first (9.1.2.3)."""
    return "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in octets)


def delivery(status: int) -> Delivery:
    """TP-ST in three classes (9.2.3.15)."""
    if status < 0x20:
        return Delivery.DELIVERED
    return Delivery.TRYING if status < 0x40 else Delivery.FAILED


def _deliver(octets: bytes, start: int) -> IncomingSms:
    digits = octets[start + 1]
    scts = start + 3 + (digits + 1) // 2 + 2  # after TP-OA, TP-PID and TP-DCS (9.2.2.1)
    dcs = coding(octets[scts - 1])
    known = codec.decodeSmsPdu(bytearray(octets[: scts - 1] + bytes([dcs]) + SOME_SCTS + octets[scts + 7 :]))
    text = str(known["text"]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # 😀 comes in two halves
    return IncomingSms((known["number"] or "").lstrip("+"), text.replace("`", "§") if dcs == DCS_GSM7 else text)


def coding(dcs: int) -> int:
    """The alphabet of any data coding scheme; GSM-7 where the standard reserves it (23.038 4)."""
    if dcs < 0x80:  # general, or marked for deletion
        return dcs & 0x0C if dcs & 0x0C in (DCS_8BIT, DCS_UCS2) else DCS_GSM7
    if dcs & 0xF0 == 0xE0:  # message waiting
        return DCS_UCS2
    return DCS_8BIT if dcs & 0xF4 == 0xF4 else DCS_GSM7
