"""The way to a SIP trunk: where its servers are, a transport to them, the user agent over it, and whether it works.

The driver's thread owns it: `turn` lets time pass, `receive` follows each select, `status` tells operators. Names are
looked up on a thread of their own, as that may take long; everything else never blocks.
"""

import contextlib
import logging
import selectors
import socket
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future

from drivers import DeviceState, TrunkStatus
from drivers.checks import secret, split_port
from drivers.guard import guarded
from drivers.pyvoip import bindings
from drivers.pyvoip.bindings import Bindings
from drivers.pyvoip.locate import NotFound
from drivers.pyvoip.options import LEARN, Options
from drivers.pyvoip.transport import Datagrams, Lost, Received, Streams, Tls, Transport, interface_of
from drivers.sip.address import Address, HostPort, Kind, Timers, host_port_of
from drivers.sip.agent import UserAgent
from drivers.sip.digest import Account
from drivers.sip.failover import Servers
from drivers.sip.message import Malformed
from drivers.sip.registration import Registration
from drivers.sip.requester import Identity

log = logging.getLogger("pinwheel.voice")

Locator = Callable[[str, Kind], tuple[Address, ...]]

RETRY_S = 2.0  # after a name that led nowhere or a port that was taken
LOOK_AGAIN_S = 300.0  # names and our own address may change
LOOK_AGAIN_BROKEN_S = 30.0


class Trunk:
    """One account on one trunk. Every method is for the thread that owns the selector."""

    def __init__(
        self,
        options: Options,
        timers: Timers,
        selector: selectors.BaseSelector,
        rouse: Callable[[], None],
        locate: Locator,
    ) -> None:
        self.agent: UserAgent | None = None
        self.interface = ""
        self._options = options
        self._timers = timers
        self._selector = selector
        self._rouse = rouse
        self._locate = locate
        self._kind = Kind(options.transport)
        self._domain = options.domain or str(HostPort(_host(options.server)))
        self._transport: Transport | None = None
        self._lookup: Future[tuple[Address, ...]] | None = None
        self._look_at = 0.0
        self._probe_at = 0.0
        self._problem = ""
        self._closing = self._is_cut_off = False
        self._kept: Bindings | None = None  # what the state file holds

    # --- what the driver needs ---

    @property
    def media_host(self) -> str:
        """Our address as it stands in session descriptions."""
        external, seen = self._options.external_address, self.agent.seen_at if self.agent is not None else ""
        if external == LEARN:
            return _host(seen) if seen else self.interface
        return external or self.interface

    def uri(self, user: str) -> str:
        """Of somebody to call."""
        return f"sip:{user}@{self._domain}" + (";user=phone" if self._options.user_phone else "")

    def status(self) -> TrunkStatus:
        """Without the calls."""
        agent = self.agent
        if agent is None or self._transport is None:
            detail = f"cannot reach {self._options.server}: {self._problem or 'still looking it up'}"
            return self._told(DeviceState.WAITING if self._problem else DeviceState.STARTING, detail, False)
        registration = agent.registration
        if registration is not None:
            return self._registration_status(registration)
        if not self._transport.up(agent.server):
            return self._told(DeviceState.WAITING, f"not connected: {self._problem or 'connecting'}", None)
        if agent.silent:
            return self._told(DeviceState.WAITING, f"no answer from {self._options.server} to OPTIONS", None)
        return self._told(DeviceState.READY, "", None)

    def _registration_status(self, registration: Registration) -> TrunkStatus:
        if registration.registered:
            return self._told(DeviceState.READY, "", True)
        if registration.refused:
            remedy = "it may hold an earlier contact of ours" if registration.earlier else "check the account"
            detail = f"the registrar refuses us: {registration.problem}; {remedy}"
            return self._told(DeviceState.FAILED, detail, False)
        return self._told(DeviceState.WAITING, f"not registered: {registration.problem}", False)

    def _told(self, state: DeviceState, detail: str, registered: bool | None) -> TrunkStatus:
        return TrunkStatus(state, detail, self._options.server, registered if self._options.register else None)

    # --- time and messages ---

    def turn(self, now: float) -> None:
        """Whatever is due: look up, register, send again, keep alive."""
        self._look_up(now)
        if self.agent is None:
            return
        self._stay_reachable(now)
        self.agent.poll(now)
        self._keep_alive(now)
        self.send()

    def send(self) -> None:
        """What the agent has for the wire."""
        if self.agent is None or self._transport is None:
            return
        self._keep()
        outbox, self.agent.outbox = self.agent.outbox, []
        for data, address in outbox:
            with guarded("send"):
                self._transport.send(data, address)

    def receive(self, now: float) -> None:
        if self.agent is None or self._transport is None:
            return
        for event in self._transport.receive(now):
            with guarded("message"):
                self._on_transport(self.agent, event, now)

    def _on_transport(self, agent: UserAgent, event: Received | Lost, now: float) -> None:
        if isinstance(event, Received):
            agent.receive(event.data, event.source, now)
        else:
            self._problem = event.why
            log.warning("voice=trunk connection=lost server=%s because=%r", event.address[0], event.why)
            agent.on_lost(event.address, event.why, now, stood=event.stood)

    def deadline(self) -> float:
        """When `turn` is due by itself (monotonic)."""
        times = [self._look_at if self._lookup is None else float("inf")]
        if self.agent is not None and self._transport is not None:
            times += [self.agent.deadline(), self._transport.deadline()]
            times += [self._probe_at] if self._options.keepalive_seconds else []
        return min(times)

    def _stay_reachable(self, now: float) -> None:
        """Our Contact names where we are reached: a new connection has a new port, a NAT may show another address."""
        assert self.agent is not None
        assert self._transport is not None
        address, port = self._transport.local(self.agent.server)
        external = self._options.external_address
        host = str(HostPort(external if external not in ("", LEARN) else address, port))
        if external == LEARN and not self._kind.reliable:
            host = self.agent.seen_at or host
        if port and host != self.agent.identity.host:
            self.agent.move(host, now)

    def _keep_alive(self, now: float) -> None:
        assert self.agent is not None
        pause_s = self._options.keepalive_seconds
        if pause_s and not self._closing and (now >= self._probe_at or self.agent.silent) and not self.agent.probing:
            self.agent.probe(now)
            self._probe_at = now + pause_s

    # --- where the servers are ---

    def _look_up(self, now: float) -> None:
        """Ask for the servers when it is time, and take the answer when it is there."""
        if self._lookup is not None and self._lookup.done():
            found, self._lookup = self._lookup, None
            self._take(found, now)
        elif self._lookup is None and now >= self._look_at and not self._closing:
            self._lookup = Future()
            threading.Thread(target=self._ask, args=(self._lookup,), name="voice-lookup", daemon=True).start()

    def _ask(self, future: "Future[tuple[Address, ...]]") -> None:
        """On a thread of its own."""
        with guarded("look-up", lambda: future.set_exception(NotFound("internal error in the look-up"))):
            try:
                future.set_result(self._locate(self._options.server, self._kind))
            except NotFound as exc:
                future.set_exception(exc)
        self._rouse()

    def _take(self, found: "Future[tuple[Address, ...]]", now: float) -> None:
        self._look_at = now + RETRY_S
        try:
            self._serve_by(found.result(), now)
        except NotFound as exc:
            self._problem = str(exc)
        except (OSError, ValueError) as exc:
            self._problem = (isinstance(exc, OSError) and exc.strerror) or str(exc)

    def _serve_by(self, servers: tuple[Address, ...], now: float) -> None:
        """From now on; calls under way keep the address that they were begun with. Raises as `_begin` does."""
        moved = self.interface != interface_of(_bind_address(self._options.bind)[0], servers[0])
        if self.agent is None or (moved and not self.agent.calls):
            self.agent = self._begin(servers, now)
        else:
            self.agent.servers.found(servers)
        broken = self.status().state is not DeviceState.READY
        self._look_at = now + (LOOK_AGAIN_BROKEN_S if broken else LOOK_AGAIN_S)

    def _begin(self, servers: tuple[Address, ...], now: float) -> UserAgent:
        """A transport and an agent. Raises OSError or ValueError where that cannot be."""
        password = secret(self._options.password_file) if self._options.password_file else ""
        self.close()
        self._kept = bindings.read(self._options.state_file, self._account)
        bind = _bind_address(self._options.bind)
        self.interface = interface_of(bind[0], servers[0])
        self._transport = self._opened(bind)
        self._problem = ""
        return self._user_agent(list(servers), password, now)

    def _opened(self, bind: Address) -> Transport:
        if self._is_cut_off:
            raise OSError("another thread has taken over")
        options = self._options
        if self._kind is Kind.UDP:
            return self._datagrams(bind)
        if self._kind is Kind.TCP:
            return Streams(self.interface, self._selector)
        tls = Tls(_host(options.server), options.tls_ca, options.tls_cert, options.tls_key)
        return Streams(self.interface, self._selector, tls)

    def _datagrams(self, bind: Address) -> Datagrams:
        """At any port, the one of before is taken where it is free: the registrar knows us there."""
        if bind[1] == 0 and self._kept is not None and self._kept.port:
            with contextlib.suppress(OSError):
                return Datagrams((bind[0], self._kept.port), self.interface, self._selector)
        return Datagrams(bind, self.interface, self._selector)

    def _user_agent(self, servers: list[Address], password: str, now: float) -> UserAgent:
        options = self._options
        user = self._user
        name = options.auth_username or options.username
        account = Account(name, password) if name else None
        identity = caller(options, user, self._domain, self._kind, account)
        agent = UserAgent(identity, Servers(servers), self._timers)
        if options.register:
            ours = Identity(self._account, user, "", self._kind, account=account)
            contacts = self._kept.contacts if self._kept is not None else ()
            agent.registration = Registration(ours, f"sip:{self._domain}", now, self._instance(), contacts)
        return agent

    # --- over a restart ---

    @property
    def _user(self) -> str:
        return self._options.username or "pinwheel"

    @property
    def _account(self) -> str:
        """Our address of record."""
        return f"sip:{self._user}@{self._domain}"

    def _instance(self) -> str:
        """The same URN for the same account on the same host, so that a registrar knows us again (RFC 5626 4.1)."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self._account} {socket.gethostname()}").urn

    def _keep(self) -> None:
        """Write down where we are reached, before it is registered."""
        if self.agent is None or self.agent.registration is None or self._transport is None or self._is_cut_off:
            return
        port = self._transport.local(self.agent.server)[1] if self._kind is Kind.UDP else 0
        found = Bindings(self._account, port, self.agent.registration.contacts)
        if found != self._kept:
            self._kept = found
            bindings.write(self._options.state_file, found)

    # --- the end ---

    def unregister(self, now: float) -> None:
        """Take our contact back; `idle` says when that was answered."""
        self._closing = True
        if self.agent is not None and self.agent.registration is not None:
            self.agent.unregister(now)

    @property
    def idle(self) -> bool:
        return self.agent is None or self.agent.idle

    def cut_off(self) -> None:
        """For another thread, when ours hangs: nothing is opened, sent or written down any more."""
        self._is_cut_off = True
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        self._keep()
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def caller(options: Options, user: str, domain: str, kind: Kind, account: Account | None) -> Identity:
    """Who calls, as callees see it and as the trunk learns it; the host is filled in by `UserAgent.move`."""
    is_number = options.caller_id.lstrip("+").isdecimal()
    uri = f"sip:{options.caller_id if is_number else user}@{domain}"
    display = "" if is_number else options.caller_id.replace('"', "")
    asserted = (("p-asserted-identity", f"<{uri}>"),) if options.assert_identity or options.hide_number else ()
    if options.hide_number:
        hidden = (*asserted, ("privacy", "id"))
        return Identity("sip:anonymous@anonymous.invalid", user, "", kind, "Anonymous", account, hidden)
    return Identity(uri, user, "", kind, display, account, asserted)


def _host(server: str) -> str:
    """The host of "host:port"; raises nothing, as a bad one is told by the look-up."""
    try:
        return host_port_of(server.removeprefix("sip:")).host
    except Malformed:
        return server


def _bind_address(text: str) -> Address:
    """ "0.0.0.0:0" or "[::]:0" taken apart, port 0 for any; raises ValueError."""
    host, port = split_port(text)
    return host, port or 0
