"""A DNS server on loopback that knows some SRV records, and a resolver that asks only it."""

import socket
import threading
from collections.abc import Mapping, Sequence

import dns.message
import dns.resolver
import dns.rrset


class Dns:
    """A context manager. records: by name, "priority weight port target" each."""

    def __init__(self, records: Mapping[str, Sequence[str]]) -> None:
        self._records = records
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.asked: list[str] = []

    @property
    def resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self._socket.getsockname()[1]
        return resolver

    def __enter__(self) -> "Dns":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())

    def _serve(self) -> None:
        with self._socket:
            while data := self._socket.recvfrom(2048):
                query, client = data
                if not query:
                    return
                self._socket.sendto(self._answer(dns.message.from_wire(query)), client)

    def _answer(self, query: dns.message.Message) -> bytes:
        name = query.question[0].name
        self.asked.append(name.to_text(omit_final_dot=True))
        answer = dns.message.make_response(query)
        if found := self._records.get(self.asked[-1]):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *found))
        return answer.to_wire()
