# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent, a relay gives the answers of the daemon behind it, byte for byte.

The same packets go to a daemon's own socket and to virtproxyd's; calls are real and made up, with
arguments that are right and wrong, streams that are opened, filled and given up, and calls that
register for events. What comes back for each serial has to be the same.
"""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interop.conftest import STEP, Virtproxyd, Virtqemud, Virtsecretd
from virloom.procedures import connect, domain, find, secret
from virloom.procedures.record import VOID
from virloom.rpc.packet import Framer, Header, MessageStatus, MessageType, pack
from virloom.rpc.xdr import codec_for
from virloom.testing.documents import paused_guest_xml

REMOTE = 0x20008086
_CALL, _STREAM = int(MessageType.CALL), int(MessageType.STREAM)
_OK, _ERROR = int(MessageStatus.OK), int(MessageStatus.ERROR)
_CONTINUE = int(MessageStatus.CONTINUE)
_REGISTER = (
    domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY.number,
    secret.CONNECT_SECRET_EVENT_REGISTER_ANY.number,
)


class Sent(NamedTuple):
    """A packet of a client."""

    procedure: int
    payload: bytes
    kind: int = _CALL
    status: int = _OK
    program: int = REMOTE


class Family(NamedTuple):
    """The daemons over one root; the one that is killed by itself."""

    root: Path
    secret: Virtsecretd


class Raw:
    """A client that sends what it is told, and notes what comes."""

    def __init__(self, path: Path, uri: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(STEP)
        self.socket.connect(str(path))
        self.framer = Framer()
        self.got: dict[int, list[tuple[Any, ...]]] = {}
        self.send(1, Sent(connect.AUTH_LIST.number, b""))
        opening = codec_for(connect.ConnectOpenArgs).encode(connect.ConnectOpenArgs(uri, 0))
        self.send(2, Sent(connect.CONNECT_OPEN.number, opening))
        self.await_reply(2)
        assert self.got[2][0][1] == _OK

    def send(self, serial: int, sent: Sent) -> None:
        header = Header(sent.program, 1, sent.procedure, sent.kind, serial, sent.status)
        self.socket.sendall(pack(header, sent.payload))

    def await_reply(self, serial: int) -> None:
        while serial not in self.got:
            data = self.socket.recv(65536)
            assert data, "cut off"
            for packet in self.framer.feed(data, ()):
                header = packet.header
                told = (header.type, header.status, header.program, header.procedure)
                # Callbacks are numbered over all clients of a daemon.
                numbered = header.procedure in _REGISTER and header.status == _OK
                payload = b"" if numbered else packet.payload
                self.got.setdefault(header.serial, []).append((*told, payload))

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def family() -> Iterator[Family]:
    root = Path(tempfile.mkdtemp(prefix="vr"))
    root.chmod(0o755)
    made = [Virtqemud(root), Virtsecretd(root), Virtproxyd(root)]
    started = []
    try:
        for daemon in made:
            daemon.start()
            started.append(daemon)
        _fill(root)
        yield Family(root, made[1])
    finally:
        for daemon in started:
            assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def _fill(root: Path) -> None:
    """A guest and a secret, which nothing here changes."""
    raw = Raw(root / "run/libvirt/virtqemud-sock", "qemu:///system")
    args = domain.DomainDefineXMLArgs(paused_guest_xml("web"))
    raw.send(9, Sent(domain.DOMAIN_DEFINE_XML.number, codec_for(type(args)).encode(args)))
    raw.await_reply(9)
    raw.close()
    raw = Raw(root / "run/libvirt/virtsecretd-sock", "secret:///system")
    text = "<secret><usage type='ceph'><name>n</name></usage></secret>"
    made = secret.SecretDefineXMLArgs(text, 0)
    raw.send(9, Sent(secret.SECRET_DEFINE_XML.number, codec_for(type(made)).encode(made)))
    raw.await_reply(9)
    raw.close()


def _numbers(*areas: str) -> list[int]:
    """Calls that change nothing, of these areas; those that the frame itself answers left out."""
    found = []
    for number in range(1, 500):
        procedure = find(REMOTE, number)
        if procedure is None or procedure.area not in areas or procedure.kind != "call":
            continue
        own = procedure.name.startswith("AUTH_") or procedure.name in (
            "CONNECT_OPEN", "CONNECT_CLOSE", "CONNECT_SET_IDENTITY", "CONNECT_SUPPORTS_FEATURE",
        )  # fmt: skip
        # Figures of the moment differ from one call to the next.
        moment = any(word in procedure.name for word in ("STATS", "MEMORY", "FREE", "TIME"))
        if procedure.readonly and not own and not moment:
            found.append(number)
    return found


def _encoded(record: Any) -> bytes:
    return codec_for(type(record)).encode(record)


_RIGHT = st.sampled_from(
    [
        Sent(domain.CONNECT_LIST_ALL_DOMAINS.number,
             _encoded(domain.ConnectListAllDomainsArgs(1, 0))),
        Sent(domain.DOMAIN_LOOKUP_BY_NAME.number, _encoded(domain.DomainLookupByNameArgs("web"))),
        Sent(domain.DOMAIN_LOOKUP_BY_NAME.number, _encoded(domain.DomainLookupByNameArgs("no"))),
        Sent(domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY.number,
             _encoded(domain.ConnectDomainEventCallbackRegisterAnyArgs(0, None))),
        Sent(domain.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY.number,
             _encoded(domain.ConnectDomainEventCallbackDeregisterAnyArgs(0))),
        Sent(connect.CONNECT_GET_HOSTNAME.number, b""),
        Sent(connect.CONNECT_GET_URI.number, b""),
        Sent(999, b""),
        Sent(1, b"", program=0x12345678),
    ]
)  # fmt: skip
_SECRETS = st.sampled_from(
    [
        Sent(secret.CONNECT_LIST_ALL_SECRETS.number,
             _encoded(secret.ConnectListAllSecretsArgs(1, 0))),
        Sent(secret.CONNECT_NUM_OF_SECRETS.number, _encoded(VOID)),
        Sent(secret.SECRET_LOOKUP_BY_USAGE.number,
             _encoded(secret.SecretLookupByUsageArgs(2, "n"))),
        Sent(secret.SECRET_LOOKUP_BY_USAGE.number,
             _encoded(secret.SecretLookupByUsageArgs(2, "no"))),
        Sent(secret.CONNECT_SECRET_EVENT_REGISTER_ANY.number,
             _encoded(secret.ConnectSecretEventRegisterAnyArgs(0, None))),
        Sent(secret.CONNECT_SECRET_EVENT_DEREGISTER_ANY.number,
             _encoded(secret.ConnectSecretEventDeregisterAnyArgs(0))),
    ]
)  # fmt: skip


def _any_of(numbers: list[int]) -> st.SearchStrategy[Sent]:
    payloads = st.binary(max_size=64) | st.just(b"") | st.just(bytes(4)) | st.just(bytes(24))
    return st.tuples(st.sampled_from(numbers), payloads).map(lambda pair: Sent(*pair))


_STRAY = st.tuples(st.binary(max_size=32), st.sampled_from([_OK, _ERROR, _CONTINUE])).map(
    lambda pair: Sent(domain.DOMAIN_SCREENSHOT.number, pair[0], _STREAM, pair[1])
)

_LENIENT = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


def _answers(path: Path, uri: str, packets: list[Sent]) -> list[list[tuple[Any, ...]]]:
    raw = Raw(path, uri)
    try:
        for serial, sent in enumerate(packets, 10):
            raw.send(serial, sent)
            if sent.kind == _CALL:
                raw.await_reply(serial)
        # An answer to this one comes after all that were caused by what was sent before.
        raw.send(5, Sent(999, b""))
        raw.await_reply(5)
        return [raw.got.get(serial, []) for serial in range(10, 10 + len(packets))]
    finally:
        raw.close()


@_LENIENT
@given(packets=st.lists(_RIGHT | _any_of(_numbers("domain", "connect")) | _STRAY, max_size=12))
def test_a_hypervisor_s_answers_pass_as_they_are(family: Family, packets: list[Sent]) -> None:
    run = family.root / "run/libvirt"
    direct = _answers(run / "virtqemud-sock", "qemu:///system", packets)
    assert _answers(run / "libvirt-sock", "qemu:///system", packets) == direct


@_LENIENT
@given(packets=st.lists(_SECRETS | _any_of(_numbers("secret")), max_size=12))
@pytest.mark.parametrize("way", ["virtqemud-sock", "libvirt-sock"])
def test_an_area_s_answers_pass_as_they_are(family: Family, way: str, packets: list[Sent]) -> None:
    run = family.root / "run/libvirt"
    direct = _answers(run / "virtsecretd-sock", "secret:///system", packets)
    assert _answers(run / way, "qemu:///system", packets) == direct


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(_SECRETS, max_size=6),
    after=st.lists(_SECRETS | _any_of(_numbers("secret")), max_size=6),
)
def test_a_daemon_killed_midway_is_an_error_or_the_end(
    family: Family, before: list[Sent], after: list[Sent]
) -> None:
    """Never silence, and the calls of the other daemon go on where the client is not cut off."""
    run = family.root / "run/libvirt"
    raw = Raw(run / "libvirt-sock", "qemu:///system")
    try:
        for serial, sent in enumerate(before, 10):
            raw.send(serial, sent)
            raw.await_reply(serial)
        assert family.secret.signal(signal.SIGKILL) == -signal.SIGKILL
        try:
            for serial, sent in enumerate(after, 100):
                raw.send(serial, sent)
                raw.await_reply(serial)
                assert raw.got[serial][0][1] == _ERROR
            raw.send(200, Sent(connect.CONNECT_GET_HOSTNAME.number, b""))
            raw.await_reply(200)
            assert raw.got[200][0][1] == _OK
        except (AssertionError, OSError) as end:
            if isinstance(end, AssertionError) and str(end) != "cut off":
                raise
            # Only who asked to be told of events is cut off.
            register = secret.CONNECT_SECRET_EVENT_REGISTER_ANY.number
            assert register in [sent.procedure for sent in before]
    finally:
        raw.close()
        family.secret.start()
