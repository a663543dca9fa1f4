"""What follows the end of a session: events in, orders out, the clock in the hand."""

from collections.abc import Mapping

import pytest
import serial

from drivers import DeviceState, Reason
from drivers.figures import Trouble
from drivers.serial.modem_status import Became
from drivers.serial.port_search import Port
from drivers.serial.supervisor import (
    BLOCKED_AT_FIRST_S,
    RATES,
    Cause,
    CyclePower,
    FindPorts,
    ForgetAnswers,
    MessageSent,
    Opened,
    Output,
    Pause,
    PauseOver,
    PortsFound,
    PowerCycled,
    Reset,
    Serve,
    Serving,
    SessionEnded,
    Supervisor,
    WasReset,
)
from drivers.serial.timing import Timing

TIMING = Timing()
ONE, OTHER, THIRD = (Port(f"/dev/ttyUSB{i}", i + 100) for i in range(3))


class World:
    """The ports there are, and what the supervisor has ordered."""

    def __init__(self, *ports: Port, baudrate: int | None = 115200, power: bool = True, searched: bool = False) -> None:
        self.ports = ports or (ONE,)
        name = "/dev/ttyUSB*" if searched else self.ports[0].name
        self.supervisor = Supervisor(name, TIMING, searched=searched, baudrate=baudrate, power=power)
        self.now = 1000.0
        self.power_works = True
        self.serving: Serve | None = None
        self.did: list[Output] = []
        self.does(self.supervisor.handle(Opened(), self.now))

    def does(self, outputs: list[Output]) -> None:
        """Carry out all but a session, whose end the test decides; pauses take their time."""
        for output in outputs:
            match output:
                case FindPorts():
                    self.does(self.supervisor.handle(PortsFound(self.ports), self.now))
                case Serve():
                    self.serving = output
                case _:
                    self.did.append(output)
            match output:
                case Pause():
                    self.now += output.seconds
                    if self.ports:
                        self.does(self.supervisor.handle(PauseOver(), self.now))
                case Reset():
                    self.does(self.supervisor.handle(WasReset(), self.now))
                case CyclePower():
                    self.does(self.supervisor.handle(PowerCycled(self.power_works), self.now))

    def serves(self, rate: int = 115200) -> list[Output]:
        return self.supervisor.handle(Serving(rate), self.now)

    def ends(self, cause: Cause, why: str = "", *, after_s: float = 1.0) -> list[Output]:
        """The session; what was done about it."""
        self.now += after_s
        self.did = []
        self.does(self.supervisor.handle(SessionEnded(cause, why, self.ports), self.now))
        return self.did

    def pause_s(self) -> float:
        (pause,) = [output for output in self.did if isinstance(output, Pause)]
        return pause.seconds


def kinds(outputs: list[Output]) -> list[type]:
    return [type(output) for output in outputs]


def test_a_modem_is_looked_for_and_served() -> None:
    world = World()
    assert world.serving == Serve(ONE.name, (115200,))
    assert world.serves() == []
    assert world.supervisor.handle(MessageSent(), world.now) == []


def test_a_speed_that_is_configured_stays_the_only_one() -> None:
    world = World(baudrate=9600)
    world.serves(9600)
    world.ends(Cause.LOST, "unplugged")
    assert world.serving == Serve(ONE.name, (9600,))


def test_every_speed_that_is_tried_is_one_that_serial_ports_have() -> None:
    assert set(RATES) <= set(serial.Serial.BAUDRATES)


def test_any_speed_is_tried_and_the_one_that_fitted_comes_first() -> None:
    world = World(baudrate=None)
    assert world.serving == Serve(ONE.name, RATES)
    world.serves(9600)
    world.ends(Cause.LOST, "unplugged")
    assert world.serving == Serve(ONE.name, (9600, *RATES))
    world.serves(57600)
    world.ends(Cause.LOST, "unplugged")
    assert world.serving == Serve(ONE.name, (57600, *RATES))


SILENT = "the modem does not answer: check port and baudrate"


@pytest.mark.parametrize(
    ("cause", "news", "forgets"),
    [
        (Cause.LOST, Became(DeviceState.ABSENT, "why"), True),
        (Cause.SILENT, Became(DeviceState.ABSENT, SILENT, Reason.SILENT), False),
        (Cause.STUCK, Became(DeviceState.STARTING, "the modem answers but sends nothing"), False),
        (Cause.RESTARTED, Became(DeviceState.STARTING, "the modem restarted"), True),
        (Cause.WRONG_PORT, Became(DeviceState.ABSENT, "why", Reason.WRONG_PORT), False),
        (Cause.BLOCKED, Became(DeviceState.FAILED, "why"), False),
        (Cause.UNREADABLE, Became(DeviceState.STARTING, "why"), False),
        (Cause.CLOSING, Became(DeviceState.CLOSED, ""), False),
        (Cause.NOT_THERE, Became(DeviceState.ABSENT, "why"), True),
        (Cause.NOT_OPENED, Became(DeviceState.ABSENT, "why"), True),
        (Cause.TAKEN, Became(DeviceState.ABSENT, "why"), True),
    ],
)
def test_an_end_is_news_and_a_restart_or_another_device_owes_no_answer(
    cause: Cause, news: Became, forgets: bool
) -> None:
    world = World()
    outputs = world.ends(cause, "why")
    assert [output for output in outputs if isinstance(output, Became)] == [news]
    assert (ForgetAnswers() in outputs) == forgets


def test_a_driver_that_closes_does_not_pause() -> None:
    world = World()
    world.ends(Cause.CLOSING)
    assert world.pause_s() == 0


def test_pauses_grow_until_a_session_has_lasted() -> None:
    world, pauses = World(), []
    for lasts_s in (1, 1, 1, 1, 1, TIMING.health + 1, 1):
        world.serves()
        world.ends(Cause.RESTARTED, after_s=lasts_s)
        pauses.append(world.pause_s())
    assert pauses == [0.2, 0.5, 1.0, 2.0, 2.0, 0.2, 0.5]


def test_a_driver_that_is_opened_again_has_not_failed_yet() -> None:
    world = World()
    for _ in range(4):
        world.ends(Cause.RESTARTED)
    world.ends(Cause.CLOSING)
    world.does(world.supervisor.handle(Opened(), world.now))
    world.ends(Cause.RESTARTED)
    assert world.pause_s() == TIMING.retry[0]


@pytest.mark.parametrize(("ports", "pause_s"), [((ONE,), TIMING.absent), ((ONE, OTHER), TIMING.retry[0])])
def test_the_next_port_is_tried_soon_and_the_only_one_without_hurry(ports: tuple[Port, ...], pause_s: float) -> None:
    world = World(*ports, searched=True)
    world.ends(Cause.WRONG_PORT, "no messages here")
    assert world.pause_s() == pause_s


def test_what_blocks_may_pass_in_the_first_minute() -> None:
    world = World()
    world.ends(Cause.BLOCKED, "no SIM")
    assert world.pause_s() == BLOCKED_AT_FIRST_S
    world.ends(Cause.BLOCKED, "no SIM", after_s=TIMING.starting)
    assert world.pause_s() == TIMING.blocked
    world.serves()
    world.ends(Cause.BLOCKED, "no SIM")
    assert world.pause_s() == BLOCKED_AT_FIRST_S


# --- silence ---------------------------------------------------------------------------------------------------


def test_a_modem_that_falls_silent_is_reset_and_then_its_power_is_cut_within_a_minute() -> None:
    world = World()
    world.serves()
    silent_at = world.now
    assert Reset(ONE.name, 115200, SILENT) in world.ends(Cause.SILENT)
    while CyclePower not in kinds(world.did):
        world.ends(Cause.SILENT, after_s=8.5)
    assert world.now - silent_at < 45


def test_a_modem_that_sends_nothing_is_reset_at_once() -> None:
    world = World()
    world.serves()
    assert kinds(world.ends(Cause.STUCK)) == [Became, ForgetAnswers, Reset, Pause]


def test_a_modem_that_never_answered_may_be_busy_with_a_message_of_a_killed_daemon() -> None:
    world = World()
    started = world.now
    while world.now - started < TIMING.listen - 20:
        assert kinds(world.ends(Cause.SILENT, after_s=8.5)) == [Became, Pause]
    for _ in range(4):
        world.ends(Cause.SILENT, after_s=8.5)
        if Reset in kinds(world.did):
            return
    pytest.fail("it was never reset")


def recovered(world: World, cause: Cause = Cause.SILENT, *, ends: int = 12, after_s: float = 30.0) -> list[Output]:
    """What is done to a modem whose sessions keep ending so."""
    done = [output for _ in range(ends) for output in world.ends(cause, "why", after_s=after_s)]
    return [output for output in done if isinstance(output, Reset | CyclePower)]


@pytest.mark.parametrize(("works", "third"), [(True, CyclePower), (False, Reset)])
def test_a_power_cycle_that_fails_leaves_the_reset(works: bool, third: type) -> None:
    world = World()
    world.power_works = works
    world.serves()
    assert kinds(recovered(world))[:3] == [Reset, CyclePower, third]


@pytest.mark.parametrize(("sends", "second"), [(True, Reset), (False, CyclePower)])
def test_a_modem_that_has_sent_a_message_is_healthy_until_it_fails_again(sends: bool, second: type) -> None:
    """Answers to commands prove nothing: a modem that never sends would be reset for ever, its power never cut."""
    world = World()
    world.serves()
    assert Reset in kinds(world.ends(Cause.STUCK))
    world.serves()
    if sends:
        world.supervisor.handle(MessageSent(), world.now)
    assert second in kinds(world.ends(Cause.STUCK, after_s=TIMING.recovery[0]))


def test_a_silence_before_a_modem_served_counts_no_more() -> None:
    world = World()
    for _ in range(3):
        world.serves()
        world.ends(Cause.RESTARTED)
        assert Reset not in kinds(world.ends(Cause.SILENT))


def test_without_a_port_that_is_surely_the_modems_only_the_power_can_be_cut() -> None:
    world = World(ONE, OTHER, searched=True)
    world.now += TIMING.listen
    done: list[Output] = []
    for _ in range(60):
        done += world.ends(Cause.SILENT, after_s=8.5)
    assert CyclePower("", SILENT) in done
    assert Reset not in kinds(done)


def test_a_modem_that_is_away_has_its_power_cut_where_it_was_last_seen() -> None:
    world = World(ONE, searched=True)
    world.serves()
    world.ends(Cause.LOST, "unplugged")
    done: list[Output] = []
    for _ in range(40):
        done += world.ends(Cause.NOT_THERE, "no such device", after_s=2.0)
    assert CyclePower(ONE.name, "no such device") in done


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.NOT_THERE])
def test_a_modem_that_was_never_there_has_its_power_cut_after_a_minute(cause: Cause) -> None:
    """Nobody waits for the answers of a modem that is away: the three minutes are for one that is silent."""
    world = World()
    began = world.now
    while not recovered(world, cause, ends=1, after_s=2.0):
        assert world.now - began < 75
    assert world.now - began > 60


@pytest.mark.parametrize("cause", [Cause.WRONG_PORT, Cause.TAKEN])
@pytest.mark.parametrize("searched", [True, False])
def test_another_device_at_a_port_says_that_a_modem_is_away_only_if_it_is_searched_for(
    cause: Cause, searched: bool
) -> None:
    world = World(searched=searched)
    assert (CyclePower in kinds(recovered(world, cause))) == searched


@pytest.mark.parametrize("cause", [Cause.BLOCKED, Cause.RESTARTED, Cause.UNREADABLE, Cause.NOT_OPENED])
@pytest.mark.parametrize("searched", [True, False])
def test_a_modem_that_is_there_keeps_its_power_however_long_it_is_of_no_use(cause: Cause, searched: bool) -> None:
    assert recovered(World(searched=searched), cause) == []


# --- what is counted -------------------------------------------------------------------------------------------------


def happened(counts: Mapping[Trouble, int]) -> dict[str, int]:
    return {str(why): number for why, number in counts.items() if number}


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (Cause.LOST, "absent"),
        (Cause.NOT_THERE, "absent"),
        (Cause.SILENT, "silent"),
        (Cause.STUCK, "stuck"),
        (Cause.WRONG_PORT, "wrong port"),
        (Cause.BLOCKED, "blocked"),
        (Cause.UNREADABLE, "unreadable"),
        (Cause.NOT_OPENED, "not opened"),
        (Cause.TAKEN, "not opened"),
        (Cause.RESTARTED, ""),
        (Cause.CLOSING, ""),
    ],
)
def test_a_trouble_is_one_error_however_often_a_session_is_tried(cause: Cause, error: str) -> None:
    world = World()
    for served in (1, 2):
        world.serves()
        for _ in range(3):
            world.ends(cause, "why")
        assert happened(world.supervisor.counts.errors) == ({error: served} if error else {})


def test_ports_of_a_pattern_are_an_error_only_once_every_one_was_tried() -> None:
    world = World(ONE, OTHER, searched=True)
    world.ends(Cause.WRONG_PORT, "another modem")
    assert happened(world.supervisor.counts.errors) == {}
    world.ends(Cause.SILENT)
    assert happened(world.supervisor.counts.errors) == {"silent": 1}
    world.ports = ()
    for _ in range(2):
        world.does(world.supervisor.handle(PauseOver(), world.now))
    assert happened(world.supervisor.counts.errors) == {"silent": 1, "absent": 1}


@pytest.mark.parametrize(
    ("cause", "why", "restarts"),
    [
        (Cause.SILENT, "silent", {"silent": 1}),
        (Cause.STUCK, "stuck", {"stuck": 1}),
        (Cause.LOST, "absent", {}),
        (Cause.RESTARTED, "", {"itself": 12}),
    ],
)
def test_restarts_and_power_cycles_are_counted_by_what_they_are_for(
    cause: Cause, why: str, restarts: dict[str, int]
) -> None:
    world = World()
    world.serves()
    cycles = kinds(recovered(world, cause)).count(CyclePower)
    assert happened(world.supervisor.counts.restarts) == restarts
    assert happened(world.supervisor.counts.power_cycles) == ({why: cycles} if cycles else {})
    assert bool(cycles) == bool(why)


# --- the ports of a pattern --------------------------------------------------------------------------------------


def test_no_port_at_all_is_said_and_the_power_is_cut_after_a_minute() -> None:
    world = World(ONE, searched=True)
    world.serves()
    world.ports = ()
    world.ends(Cause.LOST, "unplugged")
    unplugged_at, world.did = world.now, []
    world.does(world.supervisor.handle(PauseOver(), world.now))
    nothing = "no port fits the pattern: plug the modem in"
    assert world.did == [Became(DeviceState.ABSENT, nothing, Reason.NO_PORT), Pause(TIMING.absent)]
    while CyclePower(ONE.name, nothing) not in world.did:
        assert world.now - unplugged_at < 75
        world.does(world.supervisor.handle(PauseOver(), world.now))


def test_nothing_is_news_before_every_port_was_tried() -> None:
    world = World(ONE, OTHER, THIRD, searched=True)
    assert kinds(world.ends(Cause.WRONG_PORT, "no messages here")) == [Pause]
    assert world.serving == Serve(OTHER.name, (115200,))
    assert kinds(world.ends(Cause.SILENT)) == [Pause]
    outputs = world.ends(Cause.TAKEN, "another [[modem]] of this daemon has the port")
    silent = Became(DeviceState.ABSENT, SILENT, Reason.SILENT)
    assert silent in outputs
    assert kinds(world.ends(Cause.SILENT)) == [Pause]


def test_a_port_that_is_taken_is_left_alone_for_a_second_though_another_is_what_is_told() -> None:
    world = World(ONE, OTHER, searched=True)
    world.ends(Cause.SILENT)
    assert Became(DeviceState.ABSENT, SILENT, Reason.SILENT) in world.ends(Cause.TAKEN, "another has the port")
    assert world.pause_s() == TIMING.absent


def test_what_was_tried_before_the_modem_served_says_nothing_of_where_it_is_now() -> None:
    world = World(ONE, OTHER, searched=True)
    world.ends(Cause.WRONG_PORT, "no messages here")
    world.serves()
    world.ends(Cause.LOST, "unplugged")
    assert kinds(world.ends(Cause.WRONG_PORT, "no messages here")) == [Pause]


def test_the_power_is_cut_only_after_every_port_was_tried() -> None:
    world, tried = World(ONE, OTHER, searched=True), 1
    while not recovered(world, Cause.WRONG_PORT, ends=1, after_s=61.0):
        tried += 1
    assert tried == 6


def test_one_port_that_may_be_the_modems_keeps_its_power() -> None:
    world = World(ONE, OTHER, searched=True)
    for _ in range(12):
        assert recovered(world, Cause.WRONG_PORT, ends=1) == []
        assert recovered(world, Cause.UNREADABLE, ends=1) == []


def test_the_silence_of_another_port_is_not_the_modems() -> None:
    """The modem would be reset though all that it needs is a person: its SIM is locked."""
    world = World(ONE, OTHER, searched=True)
    world.serves()
    world.ends(Cause.BLOCKED, "the SIM wants SIM PUK")
    for _ in range(12):
        assert recovered(world, Cause.BLOCKED, ends=1) == []
        assert recovered(world, Cause.SILENT, ends=1) == []


def test_what_needs_a_person_is_said_at_once() -> None:
    world = World(ONE, OTHER, searched=True)
    assert world.ends(Cause.BLOCKED, "no SIM card: insert one")[0] == Became(
        DeviceState.FAILED, "no SIM card: insert one"
    )


@pytest.mark.parametrize("cause", [Cause.BLOCKED, Cause.NOT_THERE, Cause.NOT_OPENED, Cause.TAKEN])
def test_the_reason_of_an_end_is_news_with_it(cause: Cause) -> None:
    world = World(ONE)
    ended = world.supervisor.handle(SessionEnded(cause, "why", (ONE,), Reason.SIM_PUK), 1.0)
    assert [each.reason for each in ended if isinstance(each, Became)] == [Reason.SIM_PUK]


def test_a_modem_that_is_found_at_another_port_owes_no_answer() -> None:
    world = World(ONE, OTHER, searched=True)
    assert world.serves() == []
    world.ports = (OTHER,)
    world.ends(Cause.LOST, "unplugged")
    assert world.serves() == [ForgetAnswers()]


def test_a_known_modem_is_reset_only_where_it_still_is() -> None:
    world = World(ONE, OTHER, searched=True)
    world.serves()
    assert Reset(ONE.name, 115200, "the modem answers but sends nothing") in world.ends(Cause.STUCK)
    world = World(ONE, OTHER, searched=True)
    world.serves()
    world.ports = (Port(ONE.name, 999), OTHER)
    assert Reset not in kinds(world.ends(Cause.STUCK))
