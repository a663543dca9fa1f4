"""PDUs as a modem's far end sees them (3GPP 23.040, 23.038), both ways, and only what it needs.

It shares no code with the driver: a peer with the same codec would prove nothing.
"""

from dataclasses import dataclass, field

GSM7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = {0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}
TIME_STAMP = bytes.fromhex("62114281000000")


@dataclass(frozen=True, slots=True)
class Submit:
    """A SUBMIT as the service centre sees it. part: (reference, how many, which), for one of several.

    validity: TP-VP, None where there is none.
    """

    number: str = field(repr=False)
    text: str = field(repr=False)
    wants_report: bool
    part: tuple[int, int, int] | None
    validity: bytes | None


def _semi_octets(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes(int(padded[i + 1] + padded[i], 16) for i in range(0, len(padded), 2))


def read_submit(octets: bytes) -> Submit:
    """Raises ValueError or IndexError for what is none."""
    tpdu = octets[1 + octets[0] :]
    first, digits = tpdu[0], tpdu[2]
    if first & 0x03 != 0x01:
        raise ValueError("no SUBMIT")
    end = 4 + (digits + 1) // 2
    number = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in tpdu[4:end])[:digits]
    coding = tpdu[end + 1]
    data_at = end + 2 + {0x00: 0, 0x10: 1, 0x08: 7, 0x18: 7}[first & 0x18]
    length, data = tpdu[data_at], tpdu[data_at + 1 :]
    header = data[: data[0] + 1] if first & 0x40 else b""
    part = (header[3], header[4], header[5]) if header[1:3] == b"\x00\x03" else None
    text = _ucs2(data[:length], header) if coding & 0x0C == 0x08 else _gsm7(data, length, header)
    return Submit(number, text, bool(first & 0x20), part, tpdu[end + 2 : data_at] or None)


def _ucs2(data: bytes, header: bytes) -> str:
    return data[len(header) :].decode("utf-16-be")


def _gsm7(data: bytes, length: int, header: bytes) -> str:
    bits = int.from_bytes(data, "little")
    skipped = -(-len(header) * 8 // 7)
    text, escaped = "", False
    for place in range(skipped, length):
        septet = bits >> (7 * place) & 0x7F
        if escaped:
            text, escaped = text + GSM7_EXTENSION.get(septet, " "), False
        elif septet == 0x1B:
            escaped = True
        else:
            text += GSM7[septet]
    return text


def status_report(reference: int, number: str, status: int) -> bytes:
    """A STATUS-REPORT (9.2.2.3), service centre left out."""
    address = bytes([len(number), 0x91]) + _semi_octets(number)
    return bytes([0, 0x06, reference]) + address + TIME_STAMP + TIME_STAMP + bytes([status])


def deliver(number: str, text: str) -> bytes:
    """A DELIVER in UCS2 (9.2.2.1), service centre left out."""
    address = bytes([len(number), 0x91]) + _semi_octets(number)
    data = text.encode("utf-16-be", "surrogatepass")
    return bytes([0, 0x04]) + address + bytes([0, 0x08]) + TIME_STAMP + bytes([len(data)]) + data
