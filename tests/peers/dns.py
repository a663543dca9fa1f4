"""A DNS server on loopback that knows some SRV records, and a resolver that asks only it."""

from collections.abc import Mapping, Sequence

import dns.message
import dns.resolver
import dns.rrset

from tests.peers.datagrams import DatagramPeer


class Dns(DatagramPeer):
    """A context manager. records: by name, "priority weight port target" each."""

    def __init__(self, records: Mapping[str, Sequence[str]]) -> None:
        super().__init__("127.0.0.1")
        self._records = records
        self.asked: list[str] = []

    @property
    def resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.port
        return resolver

    def answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        self.asked.append(name.to_text(omit_final_dot=True))
        found = dns.message.make_response(query)
        if records := self._records.get(self.asked[-1]):
            found.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *records))
        return found.to_wire()
