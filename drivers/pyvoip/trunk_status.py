"""What operators see of a trunk. Pure: it reads, and changes nothing."""

from dataclasses import dataclass

from drivers import DeviceState, Reason, TrunkStatus
from drivers.pyvoip.server_location import NO_ADDRESS
from drivers.sip.agent import UserAgent
from drivers.sip.registration import Registration

REFUSED = {
    "401": Reason.UNAUTHORIZED,
    "407": Reason.UNAUTHORIZED,
    "403": Reason.FORBIDDEN,
    "404": Reason.UNKNOWN_ACCOUNT,
}
"""By the registrar's status, with which `Registration.problem` begins."""


@dataclass(frozen=True, slots=True)
class Way:
    """connected: what is sent to the server in use now goes out; problem: why not, or why there is no server, or ""."""

    server: str
    connected: bool
    problem: str


def trunk_status(agent: UserAgent | None, way: Way, *, registers: bool) -> TrunkStatus:
    """Without the calls. agent: None as long as there is no way to a server."""
    state, detail, reason = _state(agent, way)
    registered = agent is not None and agent.registration is not None and agent.registration.registered
    answered = agent is not None and bool(agent.answers)
    return TrunkStatus(state, detail, way.server, registered if registers else None, reason=reason, answered=answered)


def _state(agent: UserAgent | None, way: Way) -> tuple[DeviceState, str, Reason]:
    if agent is None:
        if way.problem:
            reason = Reason.NO_ADDRESS if way.problem.startswith(NO_ADDRESS) else Reason.NONE
            return DeviceState.WAITING, f"cannot reach {way.server}: {way.problem}", reason
        return DeviceState.STARTING, f"still looking up {way.server}", Reason.NONE
    if agent.registration is not None:
        return _registration_state(agent.registration)
    if not way.connected:
        return DeviceState.WAITING, f"not connected: {way.problem or 'connecting'}", Reason.NONE
    if agent.answers is False:
        return DeviceState.WAITING, f"no answer from {way.server} to OPTIONS", Reason.SILENT
    return DeviceState.READY, "", Reason.NONE


def _registration_state(registration: Registration) -> tuple[DeviceState, str, Reason]:
    if registration.registered:
        return DeviceState.READY, "", Reason.NONE
    if registration.refused:
        remedy = "it may hold an earlier contact of ours" if registration.earlier else "check the account"
        detail = f"the registrar refuses us: {registration.problem}; {remedy}"
        return DeviceState.FAILED, detail, REFUSED.get(registration.problem[:3], Reason.NONE)
    answered = registration.problem[:3].isdecimal()  # by a status that says nothing of the account
    return DeviceState.WAITING, f"not registered: {registration.problem}", Reason.NONE if answered else Reason.SILENT
