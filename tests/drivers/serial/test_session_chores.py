"""A modem is set up and looked after: what it is asked, in which order, and what is known then. All in the hand."""

from collections.abc import Mapping, Sequence

import pytest

from drivers import DeviceState
from drivers.serial.acknowledgements import Acknowledgements
from drivers.serial.balance_check import BalanceSchedule
from drivers.serial.chores import Chore
from drivers.serial.dialects import PHASE
from drivers.serial.hourly import Hourly
from drivers.serial.initialisation import Wanted, initialise
from drivers.serial.liveness import Pulse
from drivers.serial.message_storage import Storage
from drivers.serial.modem import Modem
from drivers.serial.modem_status import Became, Known
from drivers.serial.network_watch import NetworkWatch
from drivers.serial.procedure import SetRate
from drivers.serial.session_chores import SessionChores
from drivers.serial.session_ends import Blocked, Restarted, Silent, WrongPort
from drivers.serial.timing import Timing
from tests.drivers.serial.hand import Answers, Hand

TIMING = Timing()
IMEI = "356938035643809"
NEVER = float("inf")
USUAL: dict[str, Sequence[Answers]] = {
    "AT+CMEE?": [["+CMEE: 1", "OK"]],
    "AT+CMGF?": [["+CMGF: 0", "OK"]],
    "AT+CNMI?": [["+CNMI: 2,1,0,1,0", "OK"]],
    "AT+CFUN?": [["+CFUN: 1", "OK"]],
    "AT+CGMM": [["a modem", "OK"]],
    "AT+CGSN": [[IMEI, "OK"]],
    "AT+CIMI": [["234150999999999", "OK"]],
    "AT+CPIN?": [["+CPIN: READY", "OK"]],
    "AT+CREG?": [["+CREG: 1,1", "OK"]],
    "AT+CGREG?": [["ERROR"]],
    "AT+CEREG?": [["ERROR"]],
    "AT+COPS?": [['+COPS: 0,0,"Acme"', "OK"]],
    "AT+CSQ": [["+CSQ: 21,0", "OK"]],
    "AT+CSMS?": [["+CSMS: 0,1,1,1", "OK"]],
    "AT+CPMS?": [["ERROR"]],
}


class Session:
    """A session with a modem in the hand. answers: other than the usual ones."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[Answers]],
        signs: int = 6,
        timing: Timing = TIMING,
        balance: BalanceSchedule | None = None,
    ) -> None:
        self.hand = Hand(USUAL | dict(answers))
        self.modem = Modem(timing)
        self.pulse = Pulse(self.modem, timing, Hourly(signs))
        self.storage = Storage()
        self.chores = SessionChores(self.modem, self.storage, self.pulse, balance or BalanceSchedule(), self.hand.now)
        self.timing = timing

    @property
    def known(self) -> dict[str, object]:
        return {name: fact for order in self.hand.did if isinstance(order, Known) for name, fact in order.facts.items()}

    def initialise(self, wanted: Wanted, rates: tuple[int, ...] = (115200,)) -> int:
        return self.hand.run(initialise(self.modem, self.chores, wanted, rates, self.timing))

    def does(self, chore: Chore) -> list[str]:
        """The commands of a chore that is begun now, up to its end."""
        before = len(self.hand.wrote)
        self.hand.run(chore.step(self.hand.now))
        while chore.under_way:
            self.hand.run(chore.step(self.hand.now))
        return self.hand.wrote[before:]

    def goes_on(self, until: float = NEVER) -> list[str]:
        """The commands of all chores that are due until then."""
        before, chores = len(self.hand.wrote), self.chores.chores
        while (due := chores.next_at(self.hand.now)) <= until:
            self.hand.now = max(self.hand.now, due)
            self.hand.run(chores.step(self.hand.now))
        return self.hand.wrote[before:]


ANY = Wanted("/dev/modem", "", searched=False, has_pin=False)
FIRST = ["AT", "AT+CMEE?", "ATE0", "AT+CMEE=1", "AT+CFUN?", "AT+CPIN?", "AT+CMGF=0", "AT+CSMS=0"]
FIRST += ["AT+CNMI=2,1,0,1,0", "AT+CREG?"]
THEN = ["AT+CMEE?", "AT+CNMI?", "AT+CFUN?", "AT+CGMM", "AT+CGSN", "AT+CMMS=2", "AT+CREG=1", "AT+CGREG=1", "AT+CEREG=1"]
THEN += ["AT+CGSMS=3", "AT^CURC=0", "AT+CSMS?", "AT+CIMI", "AT+CREG?", "AT+CGREG?", "AT+CEREG?", "AT+COPS?", "AT+CSQ"]
THEN += ["AT+CPMS?"]


# --- at first ----------------------------------------------------------------------------------------------------


def test_first_comes_what_a_message_needs_and_then_the_rest() -> None:
    session = Session({})
    assert session.initialise(ANY) == 115200
    assert session.hand.wrote[: len(FIRST + THEN)] == FIRST + THEN
    known = {"model": "a modem", "imei": IMEI, "imsi": "234150999999999", "signal_dbm": -71, "operator": "Acme"}
    assert session.known == known | {"remarks": ()}


def test_what_takes_long_goes_on_between_the_messages() -> None:
    session = Session({command: [[0.5, *answer]] for command, (answer,) in USUAL.items()})
    session.initialise(ANY)
    begun = len(session.hand.wrote)
    assert session.hand.wrote[len(FIRST) :] == THEN[: begun - len(FIRST)]
    assert "AT+CGSN" not in session.hand.wrote
    session.goes_on(session.hand.now + 20.0)
    assert [command for command in THEN if command not in session.hand.wrote] == []


def test_the_speed_that_fits_is_found() -> None:
    session = Session({"AT": [*[[]] * 3, ["OK"]], "ATQ0V1": [[]]})
    assert session.initialise(ANY, (115200, 9600)) == 9600
    assert [order.rate for order in session.hand.did if isinstance(order, SetRate)] == [115200, 9600]
    with pytest.raises(Silent, match="no baud rate fits"):
        Session({"AT": [[]], "ATQ0V1": [[]]}).initialise(ANY)


@pytest.mark.parametrize("imei", ["", IMEI, IMEI[:14] + "01"])
@pytest.mark.parametrize("searched", [True, False])
def test_it_is_known_which_modem_it_is_before_anything_is_set(imei: str, *, searched: bool) -> None:
    session = Session({})
    session.initialise(Wanted("/dev/*", imei, searched, has_pin=False))
    place = session.hand.wrote.index("AT+CGSN")
    assert (place < session.hand.wrote.index("AT+CMGF=0")) is bool(imei or searched)
    assert ("AT+CMGS=?" in session.hand.wrote) is searched
    assert session.hand.wrote.count("AT+CGSN") == 1


def test_another_modem_and_a_port_without_messages_are_the_wrong_ones() -> None:
    with pytest.raises(WrongPort, match="IMEI 11111111111111 at /dev/modem"):
        Session({}).initialise(Wanted("/dev/modem", "11111111111111", searched=False, has_pin=False))
    with pytest.raises(WrongPort, match="takes messages"):
        Session({"AT+CMGS=?": [["ERROR"]]}).initialise(Wanted("/dev/*", "", searched=True, has_pin=False))


@pytest.mark.parametrize("signs", [0, 1])
def test_a_modem_in_flight_mode_is_woken_but_not_again_and_again(signs: int) -> None:
    session = Session({"AT+CFUN?": [["+CFUN: 4", "OK"]]}, signs)
    session.initialise(ANY)
    assert session.hand.wrote.count("AT+CFUN=1") == signs


def test_pdu_mode_may_be_refused_for_a_minute() -> None:
    session = Session({"AT+CMGF=0": [["ERROR"], ["+CMS ERROR: 302"], ["OK"]]})
    session.initialise(ANY)
    assert session.hand.now == 102.0
    told = [order for order in session.hand.did if isinstance(order, Became)]
    assert {order.state for order in told} == {DeviceState.STARTING}
    assert "CMS 302" in told[1].detail
    session = Session({"AT+CMGF=0": [["ERROR"]]})
    with pytest.raises(Blocked, match="no PDU mode"):
        session.initialise(ANY)
    assert session.hand.now == 160.0
    # A port of the stick that is for something else used to be a modem that "cannot be used".
    session = Session({"AT+CMGF=0": [["ERROR"]], "AT+CMGS=?": [["ERROR"]]})
    with pytest.raises(WrongPort, match="takes no messages"):
        session.initialise(ANY)


# --- later -------------------------------------------------------------------------------------------------------


def test_chores_come_in_their_time() -> None:
    session = Session({})
    session.initialise(ANY)
    assert session.goes_on(102.4) == []
    assert session.goes_on(102.5) == ["AT+CMEE?"]
    assert session.goes_on(104.9) == []
    assert session.goes_on(105.0) == ["AT+CNMI?"]  # nothing was refused that could be retried
    assert session.goes_on(129.9) == ["AT+CFUN?", "AT+CMEE?", "AT+CNMI?"] * 3
    assert session.goes_on(130.0)[:4] == ["AT+CFUN?", "AT+CPIN?", "AT+CMEE?", "AT+CNMI?"]


def test_a_refused_setting_is_made_later_and_the_modem_identified() -> None:
    refused = {"AT+CREG=1": [["ERROR"], ["OK"]], "AT+CGSN": [["ERROR"], [IMEI, "OK"]]}
    session = Session(refused)
    session.initialise(ANY)
    made = session.goes_on(105.0)[2:]
    assert made[:3] == ["AT+CGMM", "AT+CGSN", "AT+CREG=1"]
    assert made[3:6] == ["AT+CMEE?", "AT+CNMI?", "AT+CFUN?"]  # by which a restart shows, as they are now
    assert session.known["imei"] == IMEI


def test_a_setting_that_stays_refused_is_tried_for_a_minute() -> None:
    session = Session({"AT+CREG=1": [["ERROR"]]})
    session.initialise(ANY)
    session.goes_on(250.0)
    assert session.hand.wrote.count("AT+CREG=1") == 1 + 12


def test_what_was_announced_is_read_soon() -> None:
    session = Session({})
    session.initialise(ANY)
    session.goes_on(101.0)
    session.chores.announced(101.0)
    assert session.chores.chores.next_at(100.5) == 101.0


def test_of_what_is_due_at_once_the_most_important_comes_first() -> None:
    session = Session({"AT+CSMS?": [["+CSMS: 1,1,1,1", "OK"]], "AT+CMGR=7": [["ERROR"]], "AT+CREG=1": [["ERROR"]]})
    session.initialise(ANY)
    session.goes_on(101.0)
    session.hand.now = 150.0
    session.chores.acknowledgements.reported(150.0)
    session.chores.network.chore.want(150.0)
    session.storage.announced("", 7)
    session.chores.announced(150.0)
    wrote = session.goes_on(150.0)
    network, pulse = ["AT+CREG?", "AT+CGREG?", "AT+CEREG?"], ["AT+CMEE?"]
    begun = ["AT+CNMA", *network, *pulse, "AT+CMGR=7", "AT+CREG=1", "AT+CPIN?"]
    assert wrote[: len(begun)] == begun


# --- the pulse ---------------------------------------------------------------------------------------------------


def test_a_modem_that_answers_the_pulse_late_has_to_answer_a_marker() -> None:
    session = Session({"AT": [[]]})
    assert session.does(session.pulse.chore) == ["AT", "AT+CMEE?"]
    assert session.hand.now == 104.0


def test_a_setting_that_has_changed_is_a_restart_if_signs_are_believed() -> None:
    changed: Mapping[str, Sequence[Answers]] = {"AT+CMEE?": [["+CMEE: 0", "OK"]]}
    session = Session(changed, signs=1)
    session.modem.settings.learn("+CMEE: 1")
    with pytest.raises(Restarted):
        session.does(session.pulse.chore)
    session = Session(changed, signs=0)
    session.modem.settings.learn("+CMEE: 1")
    assert session.does(session.pulse.chore) == ["AT+CMEE?", "AT+CPIN?", "AT+CMEE?"]


def test_the_pulse_of_a_modem_that_sends_need_not_be_felt() -> None:
    session = Session({})
    session.pulse.chore.want(101.0)
    session.pulse.alive(101.0)
    assert session.pulse.chore.due == 101.0 + TIMING.pulse


# --- the network -------------------------------------------------------------------------------------------------


def test_one_domain_is_enough_to_begin_with() -> None:
    session = Session({"AT+CREG?": [["+CREG: 0,2", "OK"]], "AT+CGREG?": [["+CGREG: 0,5", "OK"]]})
    watch = NetworkWatch(session.modem, TIMING)
    session.hand.run(watch.find())
    assert session.hand.wrote == ["AT+CREG?", "AT+CGREG?"]
    assert watch.registrations.registered


def test_the_operator_is_asked_for_only_where_there_is_a_network() -> None:
    session = Session({"AT+CREG?": [["+CREG: 0,2", "OK"]]})
    watch = NetworkWatch(session.modem, TIMING)
    session.hand.run(watch.find())
    session.hand.run(watch.look())
    assert "AT+COPS?" not in session.hand.wrote
    assert session.known == {"signal_dbm": -71, "operator": ""}


def test_a_lost_network_is_asked_for_soon_and_once() -> None:
    watch = NetworkWatch(Modem(TIMING), TIMING)
    watch.lost(100.0)
    watch.lost(101.0)
    assert watch.chore.due == 100.0 + TIMING.watch


# --- acknowledgements --------------------------------------------------------------------------------------------


def acknowledging(answers: Mapping[str, Sequence[Answers]], reports: int) -> list[str]:
    """What is written for so many reports, once it is known whether the modem wants it."""
    session = Session(answers)
    session.hand.run(session.modem.dialect.use(PHASE))
    acknowledgements = Acknowledgements(session.modem)
    for _ in range(reports):
        acknowledgements.reported(session.hand.now)
    session.hand.run(acknowledgements.find_out())
    assert acknowledgements.chore.due == session.hand.now
    return session.does(acknowledgements.chore)


def test_each_report_is_acknowledged_where_the_modem_wants_it() -> None:
    assert acknowledging({"AT+CSMS?": [["+CSMS: 1,1,1,1", "OK"]]}, 2) == ["AT+CNMA"] * 2
    assert acknowledging({}, 2) == []


def test_a_modem_that_does_not_say_wants_it_if_it_has_refused_not_to() -> None:
    silent: dict[str, Sequence[Answers]] = {"AT+CSMS?": [["ERROR"]]}
    assert acknowledging(silent, 1) == []
    assert acknowledging(silent | {"AT+CSMS=0": [["ERROR"]]}, 1) == ["AT+CNMA"]


def test_a_modem_that_refuses_every_form_gets_no_further_acknowledgement() -> None:
    refusing = {f"AT+CNMA{form}": [["ERROR"]] for form in ("", "=0", "=1")}
    wanted: dict[str, Sequence[Answers]] = {"AT+CSMS?": [["+CSMS: 1,1,1,1", "OK"]]}
    assert acknowledging(wanted | refusing, 3) == ["AT+CNMA", "AT+CNMA=0", "AT+CNMA=1"]
