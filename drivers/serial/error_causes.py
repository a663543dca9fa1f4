"""What +CMS ERROR and +CME ERROR mean, by number and in words (3GPP 27.005 3.2.5, 27.007 9.2). Tables, no parsing."""

from enum import StrEnum


class ResultKind(StrEnum):
    """How a command ends (V.250 5.7; 27.007 9.2, 27.005 3.2.5)."""

    OK = "OK"
    ERROR = "ERROR"
    CME = "CME"
    CMS = "CMS"
    NONE = "NONE"  # no final result came in time


class Meaning(StrEnum):
    """What an error after the message's body means for the message."""

    REFUSED = "refused"  # the same again would be refused again
    DEFERRED = "deferred"  # the network did not take it now, for this recipient or for all
    LATER = "later"  # nothing was sent, for a reason of the modem, its SIM or its network
    UNCERTAIN = "uncertain"  # it may have been sent


REFUSED, DEFERRED, LATER, UNCERTAIN = Meaning

CMS: dict[int, tuple[Meaning, str]] = {
    # 3GPP 24.011 annex E-2, by way of 27.005 3.2.5: what the network said. A bar (8, 10, 21, 28, 50, 69, 193) may
    # be the recipient's or the SIM's: a SIM without credit must not refuse every message that another one could send.
    1: (REFUSED, "unassigned number"),
    8: (DEFERRED, "operator determined barring"),
    10: (DEFERRED, "call barred"),
    21: (DEFERRED, "short message transfer rejected"),
    27: (DEFERRED, "destination out of service"),
    28: (DEFERRED, "unidentified subscriber"),  # the SIM, not the recipient
    29: (DEFERRED, "facility rejected"),
    30: (REFUSED, "unknown subscriber"),
    38: (DEFERRED, "network out of order"),
    41: (DEFERRED, "temporary failure"),
    42: (DEFERRED, "congestion"),
    47: (DEFERRED, "resources unavailable, unspecified"),
    50: (DEFERRED, "requested facility not subscribed"),
    69: (DEFERRED, "requested facility not implemented"),
    81: (DEFERRED, "invalid short message transfer reference value"),
    95: (REFUSED, "invalid message, unspecified"),
    96: (REFUSED, "invalid mandatory information"),
    97: (REFUSED, "message type non-existent or not implemented"),
    98: (DEFERRED, "message not compatible with short message protocol state"),
    99: (REFUSED, "information element non-existent or not implemented"),
    111: (DEFERRED, "protocol error, unspecified"),
    127: (DEFERRED, "interworking, unspecified"),
    # 3GPP 23.040 9.2.3.22 (TP-FCS): what the service centre said
    128: (REFUSED, "telematic interworking not supported"),
    129: (REFUSED, "short message type 0 not supported"),
    130: (REFUSED, "cannot replace short message"),
    143: (REFUSED, "unspecified TP-PID error"),
    144: (REFUSED, "data coding scheme not supported"),
    145: (REFUSED, "message class not supported"),
    159: (REFUSED, "unspecified TP-DCS error"),
    160: (REFUSED, "command cannot be actioned"),
    161: (REFUSED, "command unsupported"),
    175: (REFUSED, "unspecified TP-command error"),
    176: (REFUSED, "TPDU not supported"),
    192: (DEFERRED, "SC busy"),
    193: (DEFERRED, "no SC subscription"),
    194: (DEFERRED, "SC system failure"),
    195: (REFUSED, "invalid SME address"),
    196: (REFUSED, "destination SME barred"),
    197: (REFUSED, "SM rejected-duplicate SM"),
    198: (REFUSED, "TP-VPF not supported"),
    199: (REFUSED, "TP-VP not supported"),
    208: (LATER, "SIM SMS storage full"),
    209: (LATER, "no SMS storage capability in SIM"),
    210: (LATER, "error in MS"),
    211: (LATER, "memory capacity exceeded"),
    212: (LATER, "SIM application toolkit busy"),
    213: (LATER, "SIM data download error"),
    255: (DEFERRED, "unspecified error cause"),
    # 27.005 3.2.5: what the modem said
    300: (LATER, "ME failure"),
    301: (LATER, "SMS service of ME reserved"),
    302: (LATER, "operation not allowed"),
    303: (LATER, "operation not supported"),
    304: (DEFERRED, "invalid PDU mode parameter"),  # ours are right: an octet was lost on the line, say
    305: (REFUSED, "invalid text mode parameter"),
    310: (LATER, "SIM not inserted"),
    311: (LATER, "SIM PIN required"),
    312: (LATER, "PH-SIM PIN required"),
    313: (LATER, "SIM failure"),
    314: (LATER, "SIM busy"),
    315: (LATER, "SIM wrong"),
    316: (LATER, "SIM PUK required"),
    317: (LATER, "SIM PIN2 required"),
    318: (LATER, "SIM PUK2 required"),
    320: (LATER, "memory failure"),
    321: (LATER, "invalid memory index"),
    322: (LATER, "memory full"),
    330: (LATER, "SMSC address unknown"),
    331: (LATER, "no network service"),
    332: (UNCERTAIN, "network timeout"),  # the service centre may have it: 24.011 TR1M ran out without RP-ACK
    340: (LATER, "no +CNMA acknowledgement expected"),
    500: (DEFERRED, "unknown error"),
    512: (LATER, "manufacturer's own: busy"),
    513: (DEFERRED, "manufacturer's own: lower layer failure"),
    514: (DEFERRED, "manufacturer's own: CP error"),
    515: (LATER, "manufacturer's own: please wait, initialising"),
}
"""+CMS ERROR. A code that is not here is taken as 41, as 24.011 8.2.5.4 asks for an unknown cause."""

OF_MODEM = 300
"""From this +CMS ERROR on it is the modem that speaks, below it the network (27.005 3.2.5)."""

OF_COMMAND = frozenset({302, 303, 310, 311, 316, 340})
"""+CMS ERROR that many a command ends in; the others are hardly about anything but a message."""

CME: dict[int, tuple[Meaning, str]] = {
    # 27.007 9.2.1 and 9.2.2
    0: (LATER, "phone failure"),
    1: (LATER, "no connection to phone"),
    3: (LATER, "operation not allowed"),
    4: (LATER, "operation not supported"),
    5: (LATER, "PH-SIM PIN required"),
    10: (LATER, "SIM not inserted"),
    11: (LATER, "SIM PIN required"),
    12: (LATER, "SIM PUK required"),
    13: (LATER, "SIM failure"),
    14: (LATER, "SIM busy"),
    15: (LATER, "SIM wrong"),
    16: (LATER, "incorrect password"),
    17: (LATER, "SIM PIN2 required"),
    18: (LATER, "SIM PUK2 required"),
    20: (LATER, "memory full"),
    21: (LATER, "invalid index"),
    22: (LATER, "not found"),
    23: (LATER, "memory failure"),
    30: (LATER, "no network service"),
    31: (UNCERTAIN, "network timeout"),
    32: (LATER, "network not allowed - emergency calls only"),
    100: (LATER, "unknown"),
    515: (LATER, "manufacturer's own: please wait, initialising"),
}
"""+CME ERROR. A code that is not here is the modem's own trouble, in numbers as in words."""

CAUSES = {ResultKind.CMS: CMS, ResultKind.CME: CME}

REMEDIES: dict[tuple[ResultKind, int], str] = {
    (ResultKind.CMS, 8): "ask the carrier: is the SIM barred, or without credit?",
    (ResultKind.CMS, 10): "ask the carrier: is the SIM barred, or without credit?",
    (ResultKind.CMS, 28): "ask the carrier: is the SIM active?",
    (ResultKind.CMS, 50): "ask the carrier to allow SMS",
    (ResultKind.CMS, 69): "ask the carrier to allow SMS",
    (ResultKind.CMS, 193): "ask the carrier to allow SMS",
    (ResultKind.CMS, 310): "insert the SIM",
    (ResultKind.CMS, 311): "set pin_file",
    (ResultKind.CMS, 313): "take the SIM out, clean it, try another",
    (ResultKind.CMS, 316): "unlock the SIM in a phone",
    (ResultKind.CMS, 330): "set the service centre with AT+CSCA, or in a phone",
    (ResultKind.CMS, 331): "check the antenna",
    (ResultKind.CME, 10): "insert the SIM",
    (ResultKind.CME, 11): "set pin_file",
    (ResultKind.CME, 12): "unlock the SIM in a phone",
    (ResultKind.CME, 13): "take the SIM out, clean it, try another",
    (ResultKind.CME, 30): "check the antenna",
}
"""What a person can do; all other errors pass by themselves, or are the recipient's."""


def _plain(text: str) -> str:
    """Verbose texts differ by case, spaces and "(U)SIM" for "SIM" between makers."""
    return "".join(text.casefold().replace("(u)sim", "sim").split())


VERBOSE = {kind: {_plain(text): code for code, (_, text) in table.items()} for kind, table in CAUSES.items()}


def code_of(kind: ResultKind, text: str) -> int | None:
    """Of an error in words; None for words of a maker's own. kind: one of CAUSES."""
    return VERBOSE[kind].get(_plain(text))


def meaning(kind: ResultKind, code: int | None) -> Meaning:
    """What an error means for a message whose body the modem has. code: None where it is not known."""
    unknown = DEFERRED if kind is ResultKind.CMS else LATER
    if code is None or kind not in CAUSES:
        return unknown
    return CAUSES[kind].get(code, (unknown, ""))[0]


def words(kind: ResultKind, code: int | None) -> str:
    """With the remedy where there is one: "CMS 38: network out of order"; the kind alone where no code is known."""
    if code is None or kind not in CAUSES:
        return kind
    known = CAUSES[kind].get(code)
    remedy = REMEDIES.get((kind, code), "")
    return f"{kind} {code}: {known[1] if known else 'unknown cause'}" + (remedy and f"; {remedy}")
