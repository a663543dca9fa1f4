"""What operators see of a trunk. Pure: it reads, and changes nothing."""

from dataclasses import dataclass

from drivers import DeviceState, TrunkStatus
from drivers.sip.agent import UserAgent
from drivers.sip.registration import Registration


@dataclass(frozen=True, slots=True)
class Way:
    """connected: what is sent to the server in use now goes out; problem: why not, or why there is no server, or ""."""

    server: str
    connected: bool
    problem: str


def trunk_status(agent: UserAgent | None, way: Way, *, registers: bool) -> TrunkStatus:
    """Without the calls. agent: None as long as there is no way to a server."""
    state, detail = _state(agent, way)
    registered = agent is not None and agent.registration is not None and agent.registration.registered
    return TrunkStatus(state, detail, way.server, registered if registers else None)


def _state(agent: UserAgent | None, way: Way) -> tuple[DeviceState, str]:
    if agent is None:
        if way.problem:
            return DeviceState.WAITING, f"cannot reach {way.server}: {way.problem}"
        return DeviceState.STARTING, f"still looking up {way.server}"
    if agent.registration is not None:
        return _registration_state(agent.registration)
    if not way.connected:
        return DeviceState.WAITING, f"not connected: {way.problem or 'connecting'}"
    if agent.silent:
        return DeviceState.WAITING, f"no answer from {way.server} to OPTIONS"
    return DeviceState.READY, ""


def _registration_state(registration: Registration) -> tuple[DeviceState, str]:
    if registration.registered:
        return DeviceState.READY, ""
    if registration.refused:
        remedy = "it may hold an earlier contact of ours" if registration.earlier else "check the account"
        return DeviceState.FAILED, f"the registrar refuses us: {registration.problem}; {remedy}"
    return DeviceState.WAITING, f"not registered: {registration.problem}"
