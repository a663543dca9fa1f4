"""SMS PDUs (3GPP 23.040): SUBMIT is built; STATUS-REPORT and DELIVER are read.

`gsmmodem.pdu` packs septets and concatenation; `drivers.codecs.gsm7` chooses alphabet and parts. What the library does
wrong is done here: the type of number, the validity period, UCS2 beyond the Basic Multilingual Plane, 0x5F of GSM-7,
and all that a network sends. Every PDU has to be read: an unreadable one stays in the SIM until the SIM is full.
"""

import math
from dataclasses import dataclass, field

from gsmmodem import pdu as codec

from drivers import Delivery, IncomingSms, Sms, StatusReport
from drivers.codecs import gsm7
from drivers.codecs.gsm7 import Alphabet

SUBMIT, VP_RELATIVE, UDHI, SRR = 0x01, 0x10, 0x40, 0x20  # first octet (23.040 9.2.3.1, 9.2.3.3, 9.2.3.23, 9.2.3.5)
INTERNATIONAL, UNKNOWN = 0x91, 0x81  # type of number, ISDN numbering plan (23.040 9.1.2.5)
DCS_GSM7, DCS_8BIT, DCS_UCS2 = 0x00, 0x04, 0x08  # 23.038 4
DCS_CLASS_0 = 0x10  # beside the alphabet: to be shown at once, and kept nowhere (23.038 4)
DCS = {Alphabet.GSM7: DCS_GSM7, Alphabet.UCS2: DCS_UCS2}
MAX_PARTS = 255
MAX_DIGITS = 15  # E.164 6.1
SHORT_CODE = range(3, 7)  # digits of a number that the network itself resolves; no E.164 number is so short
MTI_DELIVER, MTI_STATUS_REPORT = (0, 3), 2  # service centre to mobile; a reserved one is a DELIVER (23.040 9.2.3.1)
NUMBER_KIND, ALPHANUMERIC = 0x70, 0x50  # type of number (9.1.2.5)
DIGITS = "0123456789*#abc"  # of semi-octets; 15 fills up (9.1.2.3)
LENGTH_OF_PARTS = {0x00: 3, 0x08: 4}  # of concatenation, with a reference of 8 and of 16 bits
VALIDITY_STEPS = (  # of TP-VP: the last value, the one before the first, its seconds, the step's (23.040 9.2.3.12.1)
    (143, -1, 0, 5 * 60),
    (167, 143, 12 * 3600, 30 * 60),
    (196, 166, 0, 24 * 3600),
    (255, 192, 0, 7 * 24 * 3600),
)
LONGEST_VALIDITY = 255  # 63 weeks


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

    Half a surrogate pair becomes "?". Raises PduError.
    """
    if not (sms.number.isascii() and sms.number.isdigit() and SHORT_CODE[0] <= len(sms.number) <= MAX_DIGITS):
        raise PduError("cannot send to a number that is neither E.164 digits nor a short code")
    alphabet, parts = gsm7.in_parts(sms.text)
    if len(parts) > MAX_PARTS:
        raise PduError(f"cannot send a message of {len(parts)} parts: {MAX_PARTS} is the most")
    headers = [_concatenation(reference, len(parts), number) for number in range(1, len(parts) + 1)]
    return [_submit(sms, alphabet, *part) for part in zip(parts, headers, strict=True)]


def _concatenation(reference: int, parts: int, number: int) -> bytes:
    """The user data header of one part (9.2.3.24.1), with its length; empty for a message of one part."""
    if parts == 1:
        return b""
    element = codec.Concatenation()
    element.reference, element.parts, element.number = reference & 0xFF, parts, number
    encoded = bytes(element.encode())
    return bytes([len(encoded)]) + encoded


def _submit(sms: Sms, alphabet: Alphabet, part: str, header: bytes) -> SubmitPdu:
    first = SUBMIT | VP_RELATIVE | SRR | (UDHI if header else 0)
    kind = UNKNOWN if len(sms.number) in SHORT_CODE else INTERNATIONAL
    address = bytes([len(sms.number), kind]) + bytes(codec.encodeSemiOctets(sms.number))
    length, data = _user_data(part, alphabet, header)
    coding = DCS[alphabet] | (DCS_CLASS_0 if sms.flash else 0)
    tpdu = bytes([first, 0]) + address + bytes([0, coding, relative_validity(sms.validity_s), length]) + data
    return SubmitPdu((b"\x00" + tpdu).hex().upper(), len(tpdu))


def _user_data(part: str, alphabet: Alphabet, header: bytes) -> tuple[int, bytes]:
    """TP-UDL, in septets or octets by the alphabet, and TP-UD (9.2.3.16, 9.2.3.24)."""
    if alphabet is Alphabet.UCS2:
        data = header + part.encode("utf-16-be")
        return len(data), data
    septets = codec.encodeGsm7(part.replace("§", "`"))
    header_septets = -(-len(header) * 8 // 7)
    used_bits = len(header) * 8 % 7  # of the header's last septet; the codec calls these its padding
    return header_septets + len(septets), header + bytes(codec.packSeptets(septets, padBits=used_bits))


def relative_validity(validity_s: float) -> int:
    """TP-VP in the relative format (9.2.3.12.1): the shortest step that is not shorter than validity_s.

    So the network keeps a message at least as long as its PIN is valid, and less than a step longer: five minutes up to
    half a day. Why not to the second? Networks may refuse the enhanced format (9.2.3.12.3), and the absolute one
    (9.2.3.12.2) is right only where the clocks of this host and of the service centre agree. The relative one is taken
    everywhere.
    """
    for last, before, first_s, step_s in VALIDITY_STEPS:
        value = before + math.ceil((validity_s - first_s) / step_s)
        if value <= last:
            return max(value, 0)
    return LONGEST_VALIDITY


# --- in ----------------------------------------------------------------------------------------------------


def decode(hex_digits: str) -> StatusReport | IncomingSms:
    """A PDU from +CDS, +CMT, +CMGR or +CMGL, with its service centre. Raises PduError for anything else."""
    try:
        octets = bytes.fromhex(hex_digits)
        tpdu = octets[1 + octets[0] :]
        kind = tpdu[0] & 0x03
        if kind == MTI_STATUS_REPORT:
            return _status_report(tpdu[1:])
        if kind in MTI_DELIVER:
            return _deliver(tpdu)
    except (ValueError, IndexError):
        raise PduError("cannot read a PDU") from None
    raise PduError(f"cannot use a PDU of type {kind}")


def _status_report(octets: bytes) -> StatusReport:
    """TP-MR, TP-RA, TP-SCTS, TP-DT, TP-ST (9.2.2.3). The time stamps are passed over: some networks send zeros."""
    reference, digits = octets[0], octets[1]
    end = 3 + (digits + 1) // 2
    status = octets[end + 14]
    return StatusReport(reference, _address(digits, octets[2], octets[3:end]), delivery(status), status)


def _address(length: int, kind: int, octets: bytes) -> str:
    """Digits, the low nibble first, or a name in GSM-7 (9.1.2.3, 9.1.2.5). length: in semi-octets."""
    if kind & NUMBER_KIND == ALPHANUMERIC:
        return gsm7.unpack(octets, 0, length * 4 // 7)
    semi_octets = [nibble for octet in octets for nibble in (octet & 0x0F, octet >> 4)]
    return "".join(DIGITS[nibble] for nibble in semi_octets[:length] if nibble < len(DIGITS))


def delivery(status: int) -> Delivery:
    """TP-ST in three classes (9.2.3.15)."""
    if status < 0x20:
        return Delivery.DELIVERED
    return Delivery.TRYING if status < 0x40 else Delivery.FAILED


def _deliver(tpdu: bytes) -> IncomingSms:
    """TP-OA, TP-PID, TP-DCS, TP-SCTS, TP-UDL, TP-UD (9.2.2.1). What is cut off is read as far as it goes."""
    digits = tpdu[1]
    end = 3 + (digits + 1) // 2
    sender, dcs = _address(digits, tpdu[2], tpdu[3:end]), coding(tpdu[end + 1])
    length, data = tpdu[end + 9], tpdu[end + 10 :]
    header = data[: 1 + data[0]] if tpdu[0] & UDHI and data else b""
    return IncomingSms(sender, _part(header) + _text(dcs, length, data, len(header)))


def _text(dcs: int, length: int, data: bytes, header: int) -> str:
    """The text behind a header of so many octets. length: TP-UDL, in septets or octets by the alphabet (9.2.3.16)."""
    if dcs == DCS_GSM7:
        first = -(-header * 8 // 7)  # the header is filled up to whole septets
        return gsm7.unpack(data, first, length - first)
    body = data[header:length]
    if dcs == DCS_8BIT:
        return body.decode("latin-1")
    return body.decode("utf-16-be", "replace")


def _part(header: bytes) -> str:
    """ "(2/3) " by the header of a part of a longer message (9.2.3.24.1, 9.2.3.24.8); "" of a whole one."""
    place = 1
    while place + 1 < len(header):
        element, length = header[place], header[place + 1]
        if LENGTH_OF_PARTS.get(element) == length and place + 2 + length <= len(header):
            parts, number = header[place + length], header[place + length + 1]
            return f"({number}/{parts}) "
        place += 2 + length
    return ""


def coding(dcs: int) -> int:
    """The alphabet of any data coding scheme; GSM-7 where the standard reserves it (23.038 4)."""
    if dcs < 0x80:  # general, or marked for deletion
        return dcs & 0x0C if dcs & 0x0C in (DCS_8BIT, DCS_UCS2) else DCS_GSM7
    if dcs & 0xF0 == 0xE0:  # message waiting
        return DCS_UCS2
    return DCS_8BIT if dcs & 0xF4 == 0xF4 else DCS_GSM7
