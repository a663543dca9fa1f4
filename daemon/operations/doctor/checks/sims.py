"""What a modem answers of its SIM: service centre, stored messages, network (3GPP 27.005, 27.007). Pure."""

from collections.abc import Iterator

from daemon.operations.doctor.facts import Answers
from daemon.operations.doctor.verdicts import Verdict, error, info, warning


def service_centre(answers: tuple[Answers, ...]) -> Iterator[Verdict]:
    """+CSCA: "<sca>",<tosca> (27.005 3.3.1); without one nothing leaves, though the modem is registered."""
    for modem in answers:
        number = _field(modem, "AT+CSCA?", "+CSCA:", 0)
        if number == "":
            text = f"modem {modem.modem} has no number of a service centre (SMSC)"
            yield error(text, "put the SIM into a phone and set it there, or ask the carrier", modem.modem)


def full(answers: tuple[Answers, ...]) -> Iterator[Verdict]:
    """+CPMS: <mem1>,<used1>,<total1>,... (27.005 3.2.2)."""
    for modem in answers:
        used, total = (_number(_field(modem, "AT+CPMS?", "+CPMS:", place)) for place in (1, 2))
        if used >= total > 0:
            text = f"the SIM of modem {modem.modem} is full: {used} of {total} messages"
            yield warning(text, "delete its messages and drafts in a phone", modem.modem)


def roaming(answers: tuple[Answers, ...]) -> Iterator[Verdict]:
    """<stat> 5 of +CREG: registered, roaming (27.007 7.2)."""
    for modem in answers:
        if _field(modem, "AT+CREG?", "+CREG:", 1) == "5":
            yield info(f"modem {modem.modem} roams: messages may cost more", "", modem.modem)


def _field(answers: Answers, command: str, name: str, place: int) -> str | None:
    """None where the modem does not say."""
    line = next((each for each in answers.lines.get(command, ()) if each.startswith(name)), None)
    fields = line.removeprefix(name).split(",") if line is not None else []
    return fields[place].strip().strip('"') if len(fields) > place else None


def _number(field: str | None) -> int:
    """0 where the modem does not say, or says no number of at most nine digits."""
    return int(field) if field is not None and field.isdecimal() and len(field) < 10 else 0
