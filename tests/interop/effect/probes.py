# SPDX-License-Identifier: Apache-2.0
"""Single packets and connections from one network namespace to another, many at once.

A socket belongs for ever to the namespace in which it was made: one process has them all.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple

PORT = 7777
#: Seconds in which an answer must come: all of it is in one kernel.
PATIENCE = 0.25
#: ``ok``, with what the other side saw of who asks where that is another; else how it ended.
Answer = str
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Probe(NamedTuple):
    """Something that is tried.

    Attributes:
        who, source: The namespace it comes from, and the address there; None for any.
        to, target: The same of where it goes.
        protocol: ``tcp``, ``udp`` or ``icmp``.
        port: That it comes from; 0 for any.
    """

    who: str
    source: str | None
    to: str
    target: str
    protocol: str
    port: int = 0

    def __str__(self) -> str:
        origin = f"{self.who}[{self.source or ''}]{f':{self.port}' if self.port else ''}"
        return f"{origin} > {self.to}[{self.target}] {self.protocol}"


@contextmanager
def _inside(pid: int) -> Iterator[None]:
    """This thread is in the network namespace of that process."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)
        os.close(there)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Listeners:
    """Who answers in a namespace: takes connections, and notes datagrams."""

    def __init__(self, pid: int) -> None:
        with _inside(pid):
            self.stream = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            self.datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        for one in (self.stream, self.datagrams):
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.bind(("::", PORT))
            one.setblocking(False)
        self.stream.listen(128)

    def __enter__(self) -> Listeners:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stream.close()
        self.datagrams.close()


def send(
    probes: list[Probe], pids: dict[str, int], listeners: dict[str, Listeners]
) -> list[Answer]:
    """Sends them all; what became of each."""
    flights = [_Flight(number, probe, pids) for number, probe in enumerate(probes)]
    try:
        deadline = time.monotonic() + PATIENCE
        while any(one.answer is None for one in flights) and time.monotonic() < deadline:
            _round(flights, listeners)
        return [one.answer or "lost" for one in flights]
    finally:
        for one in flights:
            one.socket.close()


def _round(flights: list[_Flight], listeners: dict[str, Listeners]) -> None:
    waiting = [one.socket for one in flights if one.answer is None]
    heard = [s for one in listeners.values() for s in (one.stream, one.datagrams)]
    select.select([*waiting, *heard], [], [], 0.02)
    for one in listeners.values():
        _hear(one, flights)
    for flight in flights:
        if flight.answer is None:
            flight.look()


def _hear(listeners: Listeners, flights: list[_Flight]) -> None:
    """A connection is told who asks for it, as that is seen here."""
    try:
        while True:
            data, peer = listeners.datagrams.recvfrom(64)
            number, nonce = struct.unpack("=IQ", data)
            if number < len(flights) and flights[number].nonce == nonce:
                flights[number].seen(peer[0], peer[1])
    except BlockingIOError:
        pass
    try:
        while True:
            connection, peer = listeners.stream.accept()
            connection.send(f"{peer[0]} {peer[1]}".encode())
            connection.close()
    except BlockingIOError:
        pass


class _Flight:
    """A probe on its way."""

    def __init__(self, number: int, probe: Probe, pids: dict[str, int]) -> None:
        self.probe = probe
        self.answer: Answer | None = None
        self.nonce = time.monotonic_ns()
        six = ":" in probe.target
        family = socket.AF_INET6 if six else socket.AF_INET
        with _inside(pids[probe.who]):
            self.socket = socket.socket(family, *_KINDS[probe.protocol, six])
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((probe.source or ("::" if six else "0.0.0.0"), probe.port))
            self._go(number, six)
        except OSError as exc:
            self._failed(exc)

    def _go(self, number: int, six: bool) -> None:
        port = PORT if self.probe.protocol != "icmp" else 0
        code = self.socket.connect_ex((self.probe.target, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        if self.probe.protocol == "udp":
            self.socket.send(struct.pack("=IQ", number, self.nonce))
        elif self.probe.protocol == "icmp":
            self.socket.send(struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, 1) + b"probe")

    def _failed(self, exc: OSError) -> None:
        self.answer = errno.errorcode[exc.errno or 0]

    def look(self) -> None:
        """Looks whether it has come back."""
        try:
            if self.probe.protocol == "tcp":
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
            data = self.socket.recv(64)
            if self.probe.protocol == "tcp":
                address, port = data.decode().split()
                self.seen(address, int(port))
            else:
                self.answer = "ok"
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            if exc.errno == errno.ENOTCONN:
                return
            self._failed(exc)

    def seen(self, address: str, port: int) -> None:
        """The other side has it, and saw that address and port."""
        mine = self.socket.getsockname()
        as_whom = address.removeprefix("::ffff:")
        words = ["ok"]
        if as_whom != mine[0]:
            words.append(f"as {_range_of(as_whom)}")
        if port != mine[1]:
            words.append(f"by a {_ports_of(port)} port")
        # A high port may lie in the translation's range already, and stays then.
        self.answer = " ".join(words)


_KINDS = {
    ("tcp", False): (socket.SOCK_STREAM,),
    ("tcp", True): (socket.SOCK_STREAM,),
    ("udp", False): (socket.SOCK_DGRAM,),
    ("udp", True): (socket.SOCK_DGRAM,),
    ("icmp", False): (socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    ("icmp", True): (socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6),
}


def _range_of(address: str) -> str:
    """Which of a range's addresses the kernel takes is its own choice."""
    return "203.0.113.4-7" if address in _RANGE else address


_RANGE = frozenset(f"203.0.113.{number}" for number in range(4, 8))


def _ports_of(port: int) -> str:
    for start, end in ((500, 520), (2000, 2100), (1, 1023)):
        if start <= port <= end:
            return f"{start}-{end}"
    return "high"
