# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, against the daemon's process.

After each the daemon still serves others, has as many descriptors as before, and about as much
memory. Where libvirtd 9 was asked the same (``captures.json``), its answer is ours.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import STEP, Virtqemud
from virloom.procedures import connect, domain, find
from virloom.procedures.record import VOID, Procedure, Record
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection
from virloom.rpc.errors import decode_error
from virloom.rpc.messages import Reply
from virloom.rpc.packet import Framer, Header, Packet, pack

REMOTE = 0x20008086
PROBES = json.loads(
    (Path(__file__).parents[2] / "data/protocol/captures.json").read_text(encoding="utf-8")
)["server_probes"]

#: KiB that a test may leave behind: what one client may leave unread (``Limits.unsent``), since
#: the C library keeps freed memory for the next one.
GROWTH = 64 << 10


class Daemon(Virtqemud):
    """The daemon, and how much it holds."""

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self) -> int:
        """Kilobytes that it has in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def raw(self, *, readonly: bool = False) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(STEP)
        connection.connect(str(self.socket(readonly=readonly)))
        return connection


class Peer:
    """A client that keeps to the protocol, until it does not."""

    def __init__(self, daemon: Daemon, *, readonly: bool = False, opened: bool = True) -> None:
        self.socket = daemon.raw(readonly=readonly)
        self.protocol = ClientConnection(find)
        self._framer = Framer()
        if opened:
            self.ask(connect.AUTH_LIST, VOID)
            self.ask(connect.CONNECT_OPEN, connect.ConnectOpenArgs("qemu:///system", 0))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def ask(self, procedure: Procedure[Any, Any], args: Record) -> Any:
        """The result of a call, or its error."""
        serial, data = self.protocol.call(procedure, args)
        self.socket.sendall(data)
        while data := self.socket.recv(1 << 16):
            for message in self.protocol.receive(data):
                if isinstance(message, Reply) and message.serial == serial:
                    return message.result
        raise ConnectionError("cut off")

    def send(self, *header: int, payload: bytes = b"") -> None:
        program, version, procedure, kind, serial, status = header
        head = Header(program, version, procedure, kind, serial, status)
        self.socket.sendall(pack(head, payload))

    def packet(self) -> Packet:
        """The next message that comes."""
        while True:
            data = self.socket.recv(1 << 16)
            assert data, "cut off"
            packets = self._framer.feed(data)
            if packets:
                return packets[0]

    def answer(self, *header: int, payload: bytes = b"") -> tuple[int, int, str]:
        """Code, domain and message of the error that a message made by hand is answered with."""
        self.send(*header, payload=payload)
        packet = self.packet()
        assert packet.header.serial == header[4]
        assert packet.header.status == 1
        error = decode_error(packet.payload)
        return error.code, int(error.domain), error.message

    def is_served(self) -> bool:
        return bool(self.ask(connect.CONNECT_GET_TYPE, VOID).type == "QEMU")


def seen(probe: str) -> tuple[int, int, str]:
    """What libvirtd 9.0.0 answered to it."""
    error = PROBES[probe]["error"]
    return error["code"], error["domain"], error["message"]


def is_cut(connection: socket.socket) -> bool:
    """Whether the other end closes, without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether something comes true in the time of a step; the daemon tells nobody when."""
    deadline = time.monotonic() + STEP
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="vq") as name:
        daemon = Daemon(Path(name))
        daemon.start()
        try:
            with Peer(daemon) as peer:  # what is loaded at the first call is loaded
                assert peer.is_served()
            yield daemon
        finally:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()


@pytest.fixture
def daemon(running: Daemon) -> Iterator[Daemon]:
    """The daemon, and afterwards the proof that it has taken no harm."""
    before, memory = running.descriptors(), running.memory()
    with Peer(running) as witness:
        yield running
        assert witness.is_served()
        with Peer(running) as another:
            assert another.is_served()
    assert eventually(lambda: running.descriptors() <= before), "it holds descriptors"
    assert eventually(lambda: running.memory() < memory + GROWTH), "it holds memory"


# Frames


@pytest.mark.parametrize("length", [0, 3, 4, 23, 27, 33554437, 0xFFFFFFFF])
def test_a_length_out_of_bounds(daemon: Daemon, length: int) -> None:
    probe = {33554437: "length_field_over_max(33554437)"}.get(length, f"length_field_{length}")
    assert PROBES.get(probe, "RESET") == "RESET"
    with Peer(daemon) as peer:
        peer.socket.sendall(struct.pack(">I", length) + bytes(40))
        assert is_cut(peer.socket)


def test_a_long_message_of_a_stranger(daemon: Daemon) -> None:
    with daemon.raw() as stranger:
        stranger.sendall(struct.pack(">I", 33554436))
        assert is_cut(stranger)


def test_noise(daemon: Daemon) -> None:
    noise = bytes((number * 7919) % 251 for number in range(100_000))
    with daemon.raw() as stranger, suppress(BrokenPipeError, ConnectionResetError):
        stranger.sendall(noise)
        assert is_cut(stranger)


def test_half_open_connections(daemon: Daemon) -> None:
    """Fewer strangers than may wait hold nobody up; all that they hold goes with them."""
    with ExitStack() as strangers:
        for _ in range(15):
            stranger = strangers.enter_context(daemon.raw())
            stranger.sendall(struct.pack(">I", 60) + bytes(20))
        with Peer(daemon) as peer:
            assert peer.is_served()


def test_more_strangers_than_may_wait(daemon: Daemon) -> None:
    """The next one waits in the kernel's queue, and is served when one of them goes."""
    with ExitStack() as strangers:
        crowd = [strangers.enter_context(daemon.raw()) for _ in range(25)]
        late = daemon.raw()
        with late:
            late.sendall(pack(Header(REMOTE, 1, 66, 0, 0, 0)))
            late.settimeout(0.3)
            with pytest.raises(TimeoutError):
                late.recv(1)
            for stranger in crowd:
                stranger.close()
            late.settimeout(STEP)
            assert len(late.recv(100)) == 36


# Messages


@pytest.mark.parametrize(
    ("probe", "header", "payload"),
    [
        ("unknown_program", (0x12345678, 1, 3, 0, 2, 0), b""),
        ("wrong_version_2", (REMOTE, 2, 3, 0, 2, 0), b""),
        ("unknown_procedure_9999", (REMOTE, 1, 9999, 0, 2, 0), b""),
        ("procedure_0", (REMOTE, 1, 0, 0, 3, 0), b""),
        ("status_error_in_call", (REMOTE, 1, 3, 0, 2, 1), b""),
        ("short_args_lookup_by_name", (REMOTE, 1, 23, 0, 2, 0), b""),
        ("procedure_443_empty_args", (REMOTE, 1, 443, 0, 2, 0), b""),
        ("string_len_over_4MiB", (REMOTE, 1, 23, 0, 2, 0), struct.pack(">I", 4194305)),
        ("keepalive_ping_type_call", (0x6B656570, 1, 1, 0, 8, 0), b""),
        ("unauth_proc_67", (REMOTE, 1, 67, 0, 2, 0), b""),
        ("unauth_proc_68", (REMOTE, 1, 68, 0, 2, 0), b""),
    ],
)
def test_what_makes_no_sense_is_answered_as_by_libvirtd(
    daemon: Daemon, probe: str, header: tuple[int, ...], payload: bytes
) -> None:
    with Peer(daemon) as peer:
        assert peer.answer(*header, payload=payload) == seen(probe)
        assert peer.is_served()


@pytest.mark.parametrize(
    ("probe", "number"),
    [("unauth_proc_1", 1), ("unauth_proc_2", 2), ("unauth_proc_3", 3), ("unauth_proc_60", 60)],
)
def test_calls_before_authentication(daemon: Daemon, probe: str, number: int) -> None:
    with Peer(daemon, opened=False) as stranger:
        assert stranger.answer(REMOTE, 1, number, 0, 0, 0) == seen(probe)


def test_nothing_to_open(daemon: Daemon) -> None:
    with Peer(daemon, opened=False) as peer:
        peer.ask(connect.AUTH_LIST, VOID)
        assert peer.answer(REMOTE, 1, 1, 0, 1, 0, payload=bytes(8)) == seen("open_null_uri")
        assert peer.answer(REMOTE, 1, 3, 0, 2, 0)[0] == 1  # it is not open now
    with Peer(daemon) as peer:
        assert peer.answer(REMOTE, 1, 1, 0, 9, 0, payload=bytes(8)) == seen("open_twice")


def test_a_write_on_the_read_only_socket(daemon: Daemon) -> None:
    with Peer(daemon, readonly=True) as peer:
        error = peer.ask(domain.DOMAIN_CREATE_XML, domain.DomainCreateXMLArgs("<x/>", 0))
        said = error.code, int(error.domain), error.message
        assert said == seen("ro_write_call_domain_create_xml")
        assert peer.is_served()


def test_lists_and_strings_that_are_longer_than_they_are(daemon: Daemon) -> None:
    dom = struct.pack(">I", 1) + b"x\0\0\0" + bytes(16) + struct.pack(">i", -1)
    set_memory_parameters = 197
    with Peer(daemon) as peer:
        for count in (17, 1 << 20, 0xFFFFFFFF):
            payload = dom + struct.pack(">I", count)
            said = peer.answer(REMOTE, 1, set_memory_parameters, 0, 9, 0, payload=payload)
            assert said == (39, 7, "Unable to decode message payload")
        assert peer.is_served()


def test_types_that_only_a_daemon_sends(daemon: Daemon) -> None:
    with Peer(daemon) as peer:
        for kind in (1, 2, 5, 7, -1, 99):
            payload = bytes(4) if kind == 5 else b""  # no descriptors
            peer.send(REMOTE, 1, 3, kind, 7, 0, payload=payload)
        assert peer.is_served()


def test_serials(daemon: Daemon) -> None:
    """Stream packets of no stream are dropped, and a serial used twice is answered twice."""
    with Peer(daemon) as peer:
        for kind, status, payload in ((3, 2, b"data"), (3, 0, b""), (3, 1, b""), (6, 2, bytes(12))):
            peer.send(REMOTE, 1, 201, kind, 4711, status, payload=payload)
        for _ in range(2):
            peer.send(REMOTE, 1, 3, 0, 1000, 0)
        assert peer.packet().header.serial == 1000
    with Peer(daemon) as peer:
        peer.send(REMOTE, 1, 201, 3, 4711, 2, payload=b"data")
        assert peer.is_served()


# Descriptors


def sent_fds(connection: socket.socket, count: int) -> None:
    """Sends a byte with copies of a descriptor."""
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        socket.send_fds(connection, [b"\0"], [fd] * count)
    finally:
        os.close(fd)


def test_more_descriptors_announced_than_a_message_has(daemon: Daemon) -> None:
    assert PROBES["call_with_33_fds_header"] == "EOF"
    with Peer(daemon) as peer:
        peer.send(REMOTE, 1, 3, 4, 5, 0, payload=struct.pack(">I", 33))
        assert is_cut(peer.socket)


def test_a_flood_of_descriptors(daemon: Daemon) -> None:
    for count in (30, 33, 253):
        with Peer(daemon) as peer, suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(40):
                sent_fds(peer.socket, count)
            assert is_cut(peer.socket)


def test_descriptors_that_nobody_wants(daemon: Daemon) -> None:
    with Peer(daemon) as peer:
        before = daemon.descriptors()
        for serial in range(100, 300):
            peer.send(REMOTE, 1, 3, 4, serial, 0, payload=struct.pack(">I", 2))
            sent_fds(peer.socket, 1)
            sent_fds(peer.socket, 1)
            assert peer.packet().header.serial == serial
        assert daemon.descriptors() == before


def test_descriptors_that_are_announced_and_do_not_come(daemon: Daemon) -> None:
    with Peer(daemon) as peer:
        peer.send(REMOTE, 1, 3, 4, 5, 0, payload=struct.pack(">I", 5))
        sent_fds(peer.socket, 4)


def test_a_wrong_length_right_behind_descriptors(daemon: Daemon) -> None:
    """The message before it is whole, and nobody gets it."""
    for _ in range(30):
        with Peer(daemon) as peer:
            peer.send(REMOTE, 1, 3, 4, 5, 0, payload=struct.pack(">I", 2))
            sent_fds(peer.socket, 2)
            peer.socket.sendall(b"\0" + bytes(4))
            assert is_cut(peer.socket)


def test_bytes_in_place_of_descriptors(daemon: Daemon) -> None:
    with Peer(daemon) as peer:
        peer.send(REMOTE, 1, 3, 4, 5, 0, payload=struct.pack(">I", 2))
        peer.socket.sendall(b"\0\0")
        assert is_cut(peer.socket)


# Memory


def test_calls_whose_answers_nobody_reads(daemon: Daemon) -> None:
    """The daemon stops reading; what waits is bounded."""
    memory = daemon.memory()
    with Peer(daemon) as peer:
        _, call = peer.protocol.call(connect.CONNECT_GET_CAPABILITIES, VOID)
        calls = call * 200
        peer.socket.settimeout(1)
        assert _taken(peer.socket, calls, 64 << 20) < 8 << 20
        assert daemon.memory() < memory + GROWTH


def _taken(connection: socket.socket, data: bytes, most: int) -> int:
    """How many bytes of *data*, again and again, go until the other end reads no more."""
    sent = 0
    with suppress(TimeoutError):
        while sent < most:
            sent += connection.send(data)
    return sent


def test_events_that_nobody_reads(daemon: Daemon) -> None:
    """They cannot wait for their reader, so that it is cut off, long before memory runs short."""
    memory = daemon.memory()
    with Peer(daemon) as writer, Peer(daemon) as deaf:
        document = (
            "<domain type='qemu'><name>loud</name><memory>1024</memory>"
            "<os><type>hvm</type></os></domain>"
        )
        defined = writer.ask(domain.DOMAIN_DEFINE_XML, domain.DomainDefineXMLArgs(document))
        dom: NonnullDomain = defined.dom
        try:
            metadata_change = 23
            args = domain.ConnectDomainEventCallbackRegisterAnyArgs(metadata_change, None)
            deaf.ask(domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, args)
            assert eventually(
                lambda: _spoken(writer, dom) and "is cut off: it leaves" in daemon.log()
            )
        finally:
            writer.ask(domain.DOMAIN_UNDEFINE, domain.DomainUndefineArgs(dom))
        assert daemon.memory() < memory + 160 * 1024


def _spoken(writer: Peer, dom: NonnullDomain) -> bool:
    """Raises ten events of a megabyte."""
    for number in range(10):
        text = f"<a>{number}</a>"
        args = domain.DomainSetMetadataArgs(dom, 2, text, "k", "u" * 1_000_000, 2)
        assert not hasattr(writer.ask(domain.DOMAIN_SET_METADATA, args), "code")
    return True
