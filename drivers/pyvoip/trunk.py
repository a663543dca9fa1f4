"""The way to a SIP trunk: a transport to its servers, the user agent over it, and whether it works.

The signalling thread owns it: `turn` lets time pass, `receive` follows each select. Names are looked up on a thread of
their own, as that may take long; everything else never blocks. Nothing leaves once the lease has ended.
"""

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from drivers import DeviceState, TrunkStatus
from drivers.checks import split_port
from drivers.guard import guarded
from drivers.named_files import secret
from drivers.pyvoip import bindings
from drivers.pyvoip.bindings import Bindings
from drivers.pyvoip.lease import Lease
from drivers.pyvoip.lookup_schedule import LookupSchedule
from drivers.pyvoip.options import LEARN
from drivers.pyvoip.server_location import NotFound
from drivers.pyvoip.shared_parts import SharedParts
from drivers.pyvoip.subscriber import Subscriber, host_in
from drivers.pyvoip.transport import Datagrams, Lost, Received, Streams, Tls, Transport, family_of, interface_of
from drivers.pyvoip.trunk_status import Way, trunk_status
from drivers.sip.address import Address, HostPort, TransportKind
from drivers.sip.agent import UserAgent
from drivers.sip.failover import Servers
from drivers.sip.registration import Registration

log = logging.getLogger("pinwheel.voice")


class Trunk:
    """One account on one trunk. Every method is for the thread that owns the selector; wake: for any thread."""

    def __init__(
        self, shared: SharedParts, lease: Lease, selector: selectors.BaseSelector, wake: Callable[[], None]
    ) -> None:
        self.agent: UserAgent | None = None
        self.interface = ""
        self._shared = shared
        self._options = shared.options
        self._lease = lease
        self._selector = selector
        self._wake = wake
        self._subscriber = Subscriber(shared.options)
        self._transport: Transport | None = None
        self._search = LookupSchedule()
        self._lookup: Future[tuple[Address, ...]] | None = None
        self._probe_at = 0.0
        self._closing = False
        self._kept: Bindings | None = None  # what the state file holds

    # --- what the driver needs ---

    @property
    def media_host(self) -> str:
        """Our address as it stands in session descriptions."""
        external, seen = self._options.external_address, self.agent.seen_at if self.agent is not None else ""
        if external == LEARN:
            return host_in(seen) if seen else self.interface
        return external or self.interface

    def uri(self, user: str) -> str:
        """Of somebody to call."""
        return self._subscriber.callee(user)

    def status(self) -> TrunkStatus:
        """Without the calls."""
        agent, transport = self.agent, self._transport
        connected = agent is not None and transport is not None and transport.up(agent.servers.first)
        way = Way(self._options.server, connected, self._search.problem)
        return trunk_status(agent if transport is not None else None, way, registers=self._options.register)

    # --- time and messages ---

    def turn(self, now: float) -> None:
        """Whatever is due: look up, register, send again, keep alive."""
        if self._lease.ended:
            return
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
                if not self._lease.ended:
                    self._transport.send(data, address)

    def receive(self, now: float) -> None:
        if self.agent is None or self._transport is None or self._lease.ended:
            return
        for event in self._transport.receive(now):
            with guarded("message"):
                self._on_transport(self.agent, event, now)

    def _on_transport(self, agent: UserAgent, event: Received | Lost, now: float) -> None:
        if isinstance(event, Received):
            agent.receive(event.data, event.source, now)
        else:
            self._search.problem = event.why
            log.warning("voice=trunk connection=lost server=%s because=%r", event.address[0], event.why)
            agent.on_lost(event.address, event.why, now, stood=event.stood)

    def deadline(self) -> float:
        """When `turn` is due by itself (monotonic)."""
        times = [self._search.deadline()]
        if self.agent is not None and self._transport is not None:
            times += [self.agent.deadline(), self._transport.deadline()]
            times += [self._probe_at] if self._options.keepalive_seconds else []
        return min(times)

    def _stay_reachable(self, now: float) -> None:
        """Our Contact names where we are reached: a new connection has a new port, a NAT may show another address."""
        assert self.agent is not None
        assert self._transport is not None
        address, port = self._transport.local(self.agent.servers.first)
        external = self._options.external_address
        host = str(HostPort(external if external not in ("", LEARN) else address, port))
        if external == LEARN and not self._subscriber.kind.reliable:
            host = self.agent.seen_at or host
        if port and host != self.agent.identity.host:
            self.agent.move(host, now)

    def _keep_alive(self, now: float) -> None:
        assert self.agent is not None
        pause_s = self._options.keepalive_seconds
        if (
            pause_s
            and not self._closing
            and (now >= self._probe_at or self.agent.answers is False)
            and not self.agent.probing
        ):
            self.agent.probe(now)
            self._probe_at = now + pause_s

    # --- where the servers are ---

    def _look_up(self, now: float) -> None:
        """Ask for the servers when it is time, and take the answer when it is there."""
        if self._lookup is not None and self._lookup.done():
            found, self._lookup = self._lookup, None
            self._take(found, now)
        elif not self._closing and self._search.begin(now):
            self._lookup = Future()
            threading.Thread(target=self._ask, args=(self._lookup,), name="voice-lookup", daemon=True).start()

    def _ask(self, future: "Future[tuple[Address, ...]]") -> None:
        """On a thread of its own."""
        with guarded("look-up", lambda: future.set_exception(NotFound("internal error in the look-up"))):
            try:
                future.set_result(self._shared.locate(self._options.server, self._subscriber.kind))
            except NotFound as exc:
                future.set_exception(exc)
        self._wake()

    def _take(self, found: "Future[tuple[Address, ...]]", now: float) -> None:
        try:
            self._serve_by(found.result(), now)
        except NotFound as exc:
            self._search.failed(str(exc), now)
        except (OSError, ValueError) as exc:
            self._search.failed((isinstance(exc, OSError) and exc.strerror) or str(exc), now)
        else:
            self._search.found(now, works=self.status().state is DeviceState.READY)

    def _serve_by(self, servers: tuple[Address, ...], now: float) -> None:
        """From now on; calls under way keep the address that they began with. Raises as `_begin` does."""
        moved = self.interface != interface_of(self._bind[0], servers[0])
        if self.agent is None or (moved and not self.agent.calls):
            self.agent = self._begin(servers, now)
        else:
            self.agent.servers.found(servers)

    @property
    def _bind(self) -> Address:
        """As it is configured, port 0 for any; raises ValueError."""
        host, port = split_port(self._options.bind)
        return host, port or 0

    def _begin(self, servers: tuple[Address, ...], now: float) -> UserAgent:
        """A transport and an agent. Raises OSError or ValueError where that cannot be."""
        password = secret(self._options.password_file) if self._options.password_file else ""
        self.close()
        self.agent = None  # until it has a transport again
        self._subscriber = Subscriber(self._options, password)
        self._kept = bindings.read(self._options.state_file, self._subscriber.address_of_record)
        self.interface = interface_of(self._bind[0], servers[0])
        self._transport = self._opened(self._bind)
        self._search.problem = ""
        return self._user_agent(servers, now)

    def _opened(self, bind: Address) -> Transport:
        """At any port, the one of before is taken where it is free: the registrar knows us there."""
        if self._subscriber.kind is TransportKind.UDP:
            before = [(bind[0], self._kept.port)] if bind[1] == 0 and self._kept is not None and self._kept.port else []
            sock = self._shared.port.descriptor(family_of(self.interface), [*before, bind])
            return Datagrams(sock, self.interface, self._selector)
        if self._subscriber.kind is TransportKind.TCP:
            return Streams(self.interface, self._selector)
        options = self._options
        tls = Tls(host_in(options.server), options.tls_ca, options.tls_cert, options.tls_key)
        return Streams(self.interface, self._selector, tls)

    def _user_agent(self, servers: tuple[Address, ...], now: float) -> UserAgent:
        ours = self._subscriber
        agent = UserAgent(ours.caller(), Servers(list(servers)), self._shared.timers)
        if self._options.register:
            contacts = self._kept.contacts if self._kept is not None else ()
            instance = ours.instance(socket.gethostname())
            agent.registration = Registration(ours.registrant(), f"sip:{ours.domain}", now, instance, contacts)
        return agent

    # --- over a restart ---

    def _keep(self) -> None:
        """Write down where we are reached, before it is registered."""
        agent, kept = self.agent, self._kept
        if agent is None or agent.registration is None or kept is None or self._transport is None or self._lease.ended:
            return
        port = self._transport.local(agent.servers.first)[1] if self._subscriber.kind is TransportKind.UDP else 0
        found = replace(kept, port=port, contacts=agent.registration.contacts)
        if found != kept:
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

    def close(self) -> None:
        self._keep()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
