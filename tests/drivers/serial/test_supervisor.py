"""What follows the end of a session: events in, orders out, the clock in the hand."""

import pytest

from drivers import DeviceState, Reason
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
                    self.does(self.supervisor.handle(PowerCycled(True), self.now))

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


def test_any_speed_is_tried_and_the_one_that_fitted_comes_first() -> None:
    world = World(baudrate=None)
    assert world.serving == Serve(ONE.name, RATES)
    world.serves(9600)
    world.ends(Cause.LOST, "unplugged")
    assert world.serving == Serve(ONE.name, (9600, *RATES))
    world.serves(57600)
    world.ends(Cause.LOST, "unplugged")
    assert world.serving == Serve(ONE.name, (57600, *RATES))


@pytest.mark.parametrize(
    ("cause", "state", "forgets"),
    [
        (Cause.LOST, DeviceState.ABSENT, True),
        (Cause.SILENT, DeviceState.ABSENT, False),
        (Cause.RESTARTED, DeviceState.STARTING, True),
        (Cause.WRONG_PORT, DeviceState.ABSENT, False),
        (Cause.BLOCKED, DeviceState.FAILED, False),
        (Cause.UNREADABLE, DeviceState.STARTING, False),
        (Cause.CLOSING, DeviceState.CLOSED, False),
        (Cause.NOT_THERE, DeviceState.ABSENT, True),
        (Cause.NOT_OPENED, DeviceState.ABSENT, True),
        (Cause.TAKEN, DeviceState.ABSENT, True),
    ],
)
def test_an_end_has_a_state_and_a_restart_or_another_device_owes_no_answer(
    cause: Cause, state: DeviceState, forgets: bool
) -> None:
    world = World()
    outputs = world.ends(cause, "why")
    assert [output.state for output in outputs if isinstance(output, Became)] == [state]
    assert (ForgetAnswers() in outputs) == forgets


def test_pauses_grow_until_a_session_has_lasted() -> None:
    world, pauses = World(), []
    for lasts_s in (1, 1, 1, 1, 1, TIMING.health + 1, 1):
        world.serves()
        world.ends(Cause.RESTARTED, after_s=lasts_s)
        pauses.append(world.pause_s())
    assert pauses == [0.2, 0.5, 1.0, 2.0, 2.0, 0.2, 0.5]


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
    assert Reset(ONE.name, 115200, "the modem does not answer: check port and baudrate") in world.ends(Cause.SILENT)
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


def test_a_power_cycle_that_fails_leaves_the_reset() -> None:
    world = World()
    world.serves()
    world.ends(Cause.SILENT)
    world.supervisor.handle(PowerCycled(False), world.now)
    while len(kinds(world.did)) == 2 or not world.did:
        world.ends(Cause.SILENT, after_s=30.0)
    assert Reset in kinds(world.did)


def test_without_a_port_that_is_surely_the_modems_only_the_power_can_be_cut() -> None:
    world = World(ONE, OTHER, searched=True)
    world.now += TIMING.listen
    done: list[Output] = []
    for _ in range(60):
        done += world.ends(Cause.SILENT, after_s=8.5)
    assert CyclePower("", "the modem does not answer: check port and baudrate") in done
    assert Reset not in kinds(done)


def test_a_modem_that_is_away_has_its_power_cut_where_it_was_last_seen() -> None:
    world = World(ONE, searched=True)
    world.serves()
    world.ends(Cause.LOST, "unplugged")
    done: list[Output] = []
    for _ in range(40):
        done += world.ends(Cause.NOT_THERE, "no such device", after_s=2.0)
    assert CyclePower(ONE.name, "no such device") in done


# --- the ports of a pattern --------------------------------------------------------------------------------------


def test_no_port_at_all_is_said() -> None:
    world = World(ONE, searched=True)
    world.ports = ()
    world.ends(Cause.LOST, "unplugged")
    world.did = []
    world.does(world.supervisor.handle(PauseOver(), world.now))
    assert kinds(world.did) == [Became, Pause]
    assert world.pause_s() == TIMING.absent


def test_nothing_is_news_before_every_port_was_tried() -> None:
    world = World(ONE, OTHER, THIRD, searched=True)
    assert kinds(world.ends(Cause.WRONG_PORT, "no messages here")) == [Pause]
    assert world.serving == Serve(OTHER.name, (115200,))
    assert kinds(world.ends(Cause.SILENT)) == [Pause]
    outputs = world.ends(Cause.TAKEN, "another [[modem]] of this daemon has the port")
    silent = Became(DeviceState.ABSENT, "the modem does not answer: check port and baudrate", Reason.SILENT)
    assert silent in outputs


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
    world.ports = (Port(ONE.name, 999), OTHER)
    assert Reset not in kinds(world.ends(Cause.STUCK))
