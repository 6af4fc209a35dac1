# SPDX-License-Identifier: Apache-2.0
"""Every method of the drop-in against an endpoint that notes its calls: arguments and results."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest

from virloom.client.connection import Connection
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.stream import BytesStream, Hole, StreamEnd
from virloom.host.fdpass import OwnedFds
from virloom.procedures import connect, domain, network, types
from virloom.procedures.record import VOID, Procedure, Record, TypedParamValue, Void
from virloom.rpc.xdr import codec_for
from virloom.uri import ConnectURI

UUID = bytes(range(16))

#: Answers with which nothing can be left open: what a name needs that its type does not tell.
_BY_NAME = {"params": [types.TypedParam("a", TypedParamValue(4, 7))], "uuid": UUID, "id": 3}


def sample(kind: Any, name: str = "") -> Any:
    """A value of a wire type."""
    if isinstance(kind, type):
        return filled(kind) if issubclass(kind, Record) else None
    if isinstance(kind, tuple):
        form = kind[0]
        if form == "optional":
            return sample(kind[1], name)
        if form == "list":
            return [sample(kind[1], name)]
        return {"string": "text", "fixed": UUID, "opaque": b"\x03"}.get(form, b"chars\0\0")
    return 1


def filled(record: type[Record]) -> Any:
    """A record with a value in every field."""
    if record is Void:
        return VOID
    if record is TypedParamValue:
        return TypedParamValue(4, 7)
    return record(**{n: _BY_NAME.get(n) or sample(kind, n) for n, kind in record.WIRE})


class Answering(Endpoint):
    """Notes what is called, and answers with something of the right type."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.closed = False
        self.passed: list[list[int]] = []
        self.brought: list[int] = []
        self.stream: StreamEnd | None = None

    async def call(self, procedure: Procedure[Any, Any], args: Any) -> Any:
        codec_for(procedure.args).encode(args)  # whatever is sent can travel
        self.calls.append((procedure.name, args))
        answer = self.answers.get(procedure.name)
        return filled(procedure.ret) if answer is None else answer(args)

    async def call_with_fds(
        self, procedure: Procedure[Any, Any], args: Any, fds: Sequence[int] = ()
    ) -> tuple[Any, OwnedFds]:
        self.passed.append(list(fds))
        return await self.call(procedure, args), OwnedFds.copies(self.brought)

    async def open_stream(self, procedure: Procedure[Any, Any], args: Any) -> tuple[Any, StreamEnd]:
        return await self.call(procedure, args), self.stream or BytesStream(b"image")

    async def close(self) -> None:
        self.closed = True


async def _connection(endpoint: Endpoint) -> Connection:
    return Connection(endpoint, ConnectURI.parse("test:///default"))


@pytest.fixture(scope="session")
def turning(libvirt: ModuleType) -> None:
    """The client's thread and the event loop, which stay."""
    from virloom.sync.portal import portal

    portal()
    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda ctx, error: None, None)


@pytest.fixture
def endpoint() -> Answering:
    return Answering()


@pytest.fixture
def conn(libvirt: ModuleType, turning: None, endpoint: Answering) -> Iterator[Any]:
    from libvirt._handle import Handle

    from virloom.sync.portal import portal

    opened = libvirt.virConnect(_obj=Handle(portal().run(_connection(endpoint))))
    handle = opened._handle
    yield opened
    if handle.subscriptions is not None:
        handle.subscriptions.close()


def objects(conn: Any) -> dict[str, Any]:
    """One object of each class."""
    dom = conn.lookupByName("x")
    net = conn.networkLookupByName("x")
    pool = conn.storagePoolLookupByName("x")
    return {
        "virConnect": conn,
        "virDomain": dom,
        "virDomainSnapshot": dom.snapshotCurrent(),
        "virDomainCheckpoint": dom.checkpointLookupByName("x"),
        "virNetwork": net,
        "virNetworkPort": net.portLookupByUUID(UUID),
        "virInterface": conn.interfaceLookupByName("x"),
        "virNodeDevice": conn.nodeDeviceLookupByName("x"),
        "virNWFilter": conn.nwfilterLookupByName("x"),
        "virNWFilterBinding": conn.nwfilterBindingLookupByPortDev("x"),
        "virSecret": conn.secretLookupByUUID(UUID),
        "virStoragePool": pool,
        "virStorageVol": pool.storageVolLookupByName("x"),
    }


#: Left out of the sweep: they end things, take callbacks, or have no call.
_ALONE = {"close", "newStream", "openGraphicsFD"}


def arguments(method: Any, things: dict[str, Any]) -> list[Any]:
    """Something for each argument that has no default."""
    by_name = {
        "params": {"a": 1}, "cellCount": 1, "files": [], "keycodes": [1], "pages": {4: 1},
        "doms": [things["virDomain"]], "xmlCPUs": ["<cpu/>"], "snap": things["virDomainSnapshot"],
        "clonevol": things["virStorageVol"], "dconn": things["virConnect"], "cpuNum": 0,
        "dconnuri": "qemu:///system",
        "flags": 2,  # a migration needs one, and nobody looks at the others
        "uuidstr": "8a6d53a3-5f6b-4c3e-9b0e-0123456789ab", "uuid": UUID, "value": b"v",
    }  # fmt: skip
    found = []
    for parameter in list(inspect.signature(method).parameters.values()):
        if parameter.name in ("st", "stream"):
            found.append(things["virConnect"].newStream())
        elif parameter.name == "cpumap":
            found.append("0" if "str" in str(parameter.annotation) else (True,))
        elif parameter.name in by_name:
            found.append(by_name[parameter.name])
        elif parameter.default is parameter.empty:
            found.append("text" if "str" in str(parameter.annotation) else 1)
        else:
            found.append(parameter.default)
    return found


def test_every_method_makes_a_call_that_can_travel(
    libvirt: ModuleType, conn: Any, endpoint: Answering
) -> None:
    things = objects(conn)
    endpoint.answers["NODE_GET_CPU_MAP"] = lambda args: connect.NodeGetCPUMapRet(b"\x01", 1, 1)
    made, wrong = 0, []
    for cls, thing in things.items():
        for name in dir(type(thing)):
            if name.startswith("_") or name in _ALONE or "Event" in name or "Callback" in name:
                continue
            method = getattr(thing, name)
            if not callable(method):
                continue
            before = len(endpoint.calls)
            try:
                method(*arguments(method, things))
            except libvirt.libvirtError as exc:
                if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                    wrong.append(f"{cls}.{name}: {exc}")
            except Exception as exc:
                if name != "setTime":
                    wrong.append(f"{cls}.{name}: {type(exc).__name__}: {exc}")
            made += len(endpoint.calls) > before
    assert not wrong, "\n".join(wrong)
    assert made > 330


def test_objects_come_wrapped_and_know_where_they_belong(libvirt: ModuleType, conn: Any) -> None:
    dom = conn.lookupByName("x")
    assert isinstance(dom, libvirt.virDomain)
    assert dom.connect() is conn
    assert (dom.name(), dom.ID(), dom.UUID()) == ("text", 3, UUID)
    assert dom.UUIDString() == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    snapshot = dom.snapshotCurrent()
    assert snapshot.getDomain() is dom
    assert snapshot.getConnect() is conn
    port = conn.networkLookupByName("x").listAllPorts()[0]
    assert isinstance(port, libvirt.virNetworkPort)
    assert port.network().name() == "text"
    assert [type(one) for one in conn.listAllDomains()] == [libvirt.virDomain]
    assert conn.listDefinedDomains() == ["text"]


def test_a_getter_of_parameters_asks_for_their_number_first(conn: Any, endpoint: Answering) -> None:
    dom = conn.lookupByName("x")

    def answer(args: domain.DomainGetMemoryParametersArgs) -> Any:
        params = [types.TypedParam("hard_limit", TypedParamValue(4, 9))]
        return domain.DomainGetMemoryParametersRet(params if args.nparams else [], 1)

    endpoint.answers["DOMAIN_GET_MEMORY_PARAMETERS"] = answer
    assert dom.memoryParameters() == {"hard_limit": 9}
    assert [args.nparams for _, args in endpoint.calls[-2:]] == [0, 1]


def test_a_setter_sends_the_types_that_the_getter_shows(conn: Any, endpoint: Answering) -> None:
    dom = conn.lookupByName("x")
    shown = [types.TypedParam("shares", TypedParamValue(2, 9))]
    endpoint.answers["DOMAIN_GET_MEMORY_PARAMETERS"] = lambda args: (
        domain.DomainGetMemoryParametersRet(shown, 1)
    )
    assert dom.setMemoryParameters({"shares": 5}) == 0
    name, args = endpoint.calls[-1]
    assert name == "DOMAIN_SET_MEMORY_PARAMETERS"
    assert args.params == [types.TypedParam("shares", TypedParamValue(2, 5))]
    endpoint.answers["DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS"] = lambda args: (
        domain.DomainGetSchedulerParametersFlagsRet(shown)
    )
    assert dom.schedulerParametersFlags() == {"shares": 9}
    endpoint.answers["DOMAIN_GET_SCHEDULER_PARAMETERS"] = lambda args: (
        domain.DomainGetSchedulerParametersRet(shown)
    )
    assert dom.schedulerParameters() == {"shares": 9}
    assert dom.setSchedulerParametersFlags({"shares": 6}, 2) == 0
    assert endpoint.calls[-1][1].params[0].value == TypedParamValue(2, 6)
    with pytest.raises(LookupError):
        dom.setMemoryParameters({"nonsense": 5})
    with pytest.raises(TypeError):
        dom.setMemoryParameters({"shares": "many"})


def test_wrong_values_are_refused_as_the_binding_does(libvirt: ModuleType, conn: Any) -> None:
    dom = conn.lookupByName("x")
    with pytest.raises(TypeError):
        conn.lookupByName(5)
    with pytest.raises(libvirt.libvirtError, match="must not be NULL") as caught:
        conn.lookupByName(None)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    with pytest.raises(libvirt.libvirtError, match="must be a valid UUID"):
        conn.lookupByUUIDString("x")
    with pytest.raises(OverflowError):
        dom.setAutostart(1 << 40)
    with pytest.raises(TypeError):
        dom.pinVcpu(0, [True])


def test_a_negative_flag_wraps(conn: Any, endpoint: Answering) -> None:
    conn.lookupByName("x").XMLDesc(-1)
    assert endpoint.calls[-1][1].flags == 0xFFFFFFFF


def test_a_connection_is_closed_with_its_last_object(
    libvirt: ModuleType, conn: Any, endpoint: Answering
) -> None:
    dom = conn.lookupByName("x")
    assert conn.close() == 1
    assert not endpoint.closed
    assert dom.info() == [1, 1, 1, 1, 1]  # it still works, as with libvirt
    with pytest.raises(libvirt.libvirtError) as caught:
        conn.getURI()
    assert caught.value.get_error_code() == libvirt.VIR_ERR_INVALID_CONN
    with pytest.raises(libvirt.libvirtError):
        conn.close()


def test_each_domain_event_has_its_arguments(
    libvirt: ModuleType, conn: Any, endpoint: Answering
) -> None:
    from libvirt._events import _DOMAIN

    from virloom.client.domain.events import KINDS

    got: list[Any] = []
    for event_id, kind in KINDS.items():
        if event_id >= len(_DOMAIN):  # the binding has no names for the two newest
            continue
        answer = domain.ConnectDomainEventCallbackRegisterAnyRet(1)
        endpoint.answers["CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY"] = lambda args, a=answer: a
        number = conn.domainEventRegisterAny(
            None, int(event_id), lambda *args: got.append(args), "opaque"
        )
        message = filled(kind.procedure.args)
        message.callback_id = 1
        endpoint.on_event(kind.procedure, message)  # type: ignore[misc] # the client has set it
        conn._handle.subscriptions._deliver_all()
        assert got, f"{event_id!r} through {_DOMAIN[event_id]}"
        first, dom, *_, last = got.pop()
        assert (first, type(dom), last) == (conn, libvirt.virDomain, "opaque")
        conn.domainEventDeregisterAny(number)
    assert not got


def test_a_network_event_and_one_nobody_registered_for(conn: Any, endpoint: Answering) -> None:
    got: list[Any] = []
    endpoint.answers["CONNECT_NETWORK_EVENT_REGISTER_ANY"] = lambda args: (
        network.ConnectNetworkEventRegisterAnyRet(9)
    )
    conn.networkEventRegisterAny(None, 0, lambda *args: got.append(args), 5)
    for callback in (9, 10):
        message = network.NetworkEventLifecycleMsg(callback, filled(types.NonnullNetwork), 2, 0)
        endpoint.on_event(network.NETWORK_EVENT_LIFECYCLE, message)  # type: ignore[misc] # set
    conn._handle.subscriptions._deliver_all()
    assert [(args[1].name(), *args[2:]) for args in got] == [("text", 2, 0, 5)]


def test_callbacks_of_one_event_share_a_registration(conn: Any, endpoint: Answering) -> None:
    got: list[str] = []
    numbers: list[int] = []

    def first(*args: Any) -> None:
        got.append("first")
        conn.domainEventDeregisterAny(numbers[1])

    for callback in (first, lambda *args: got.append("second"), lambda *args: got.append("third")):
        numbers.append(conn.domainEventRegisterAny(None, 0, callback, None))
    assert numbers == [0, 1, 2]
    names = [name for name, _ in endpoint.calls]
    assert names.count("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY") == 1
    message = filled(domain.DomainEventCallbackLifecycleMsg)
    endpoint.on_event(domain.DOMAIN_EVENT_CALLBACK_LIFECYCLE, message)  # type: ignore[misc] # set
    conn._handle.subscriptions._deliver_all()
    assert got == ["first", "third"]  # one that was taken back meanwhile is not called
    for number in (numbers[0], numbers[2]):
        conn.domainEventDeregisterAny(number)
    names = [name for name, _ in endpoint.calls]
    assert names.count("CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY") == 1


def test_descriptors_in_both_directions(conn: Any, endpoint: Answering) -> None:
    dom = conn.lookupByName("x")
    with open("/dev/null") as one:
        fd = one.fileno()
        dom.FDAssociate("group", [fd, fd], 0)
        dom.openGraphics(0, fd, 0)
        dom.createWithFiles([fd])
        assert conn.createXMLWithFiles("<domain/>", [fd]).name() == "text"
        assert endpoint.passed == [[fd, fd], [fd], [fd], [fd]]
        endpoint.brought = [fd]
        got = dom.openGraphicsFD(0, 0)
        os.close(got)
        assert got not in (fd, -1)
    with pytest.raises(TypeError):
        dom.FDAssociate("group", ["no number"], 0)


def test_no_descriptor_came(libvirt: ModuleType, conn: Any) -> None:
    with pytest.raises(libvirt.libvirtError):
        conn.lookupByName("x").openGraphicsFD(0, 0)


def test_a_migration_between_two_connections(conn: Any, endpoint: Answering) -> None:
    dom = conn.lookupByName("x")
    moved = dom.migrate3(conn, {"migrate_disks": ["vda", "vdb"], "bandwidth": 3}, 1)
    assert moved.connect() is conn
    names = [name for name, _ in endpoint.calls if name.startswith("DOMAIN_MIGRATE")]
    assert names == [
        f"DOMAIN_MIGRATE_{phase}3_PARAMS"
        for phase in ("BEGIN", "PREPARE", "PERFORM", "FINISH", "CONFIRM")
    ]
    assert dom.migrateToURI2("qemu+tcp://b/system", "tcp://b", "<x/>", 2, "new", 5) == 0
    name, args = endpoint.calls[-1]
    assert (name, args.dconnuri) == ("DOMAIN_MIGRATE_PERFORM3_PARAMS", "qemu+tcp://b/system")
    assert {one.field: one.value.value for one in args.params} == {
        "destination_xml": "<x/>", "destination_name": "new", "migrate_uri": "tcp://b",
        "bandwidth": 5,
    }  # fmt: skip


class Sparse(BytesStream):
    """Data, a hole, data; and what was written."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.items: list[bytes | Hole] = [b"head", Hole(10), b"tail"]
        self.sent: list[bytes | int] = []

    @property
    def sparse(self) -> bool:
        return True

    async def read_sparse(self, limit: int = 0) -> bytes | Hole:
        return self.items.pop(0) if self.items else b""

    async def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def write_hole(self, length: int) -> None:
        self.sent.append(length)


@pytest.fixture
def sparse(conn: Any, endpoint: Answering) -> tuple[Any, Sparse]:
    """An attached stream and its other end."""
    end = endpoint.stream = Sparse()
    stream = conn.newStream()
    conn.storageVolLookupByKey("x").download(stream, 0, 0, 1)
    return stream, end


def test_holes_step_by_step(libvirt: ModuleType, sparse: tuple[Any, Sparse]) -> None:
    stream, _ = sparse
    stop = libvirt.VIR_STREAM_RECV_STOP_AT_HOLE
    assert stream.recvHole() == 0
    assert [stream.recvFlags(3, stop), stream.recvFlags(9, stop)] == [b"hea", b"d"]
    assert stream.recvFlags(9, stop) == -3
    assert stream.recv(4) == bytes(4)
    assert stream.recvHole() == 6
    assert [stream.recvFlags(9, stop), stream.recv(9)] == [b"tail", b""]


def test_sparse_transfers(sparse: tuple[Any, Sparse]) -> None:
    stream, end = sparse
    got: list[Any] = []
    note = lambda stream, what, opaque: got.append(what)  # noqa: E731
    stream.sparseRecvAll(note, note, None)
    assert got == [b"head", 10, b"tail"]
    plan = [(True, 3), (False, 7), (True, 2), (True, 0)]
    skipped: list[int] = []
    stream.sparseSendAll(
        lambda stream, size, opaque: b"x" * size,
        lambda stream, opaque: plan.pop(0),
        lambda stream, length, opaque: skipped.append(length),
        None,
    )
    assert end.sent == [b"xxx", 7, b"xx"]
    assert skipped == [7]


def test_a_hole_handler_that_gives_up(sparse: tuple[Any, Sparse]) -> None:
    stream, _ = sparse
    with pytest.raises(RuntimeError, match="-1"):
        stream.sparseRecvAll(lambda *_: 0, lambda *_: -1, None)


def test_streams_read_to_their_end(libvirt: ModuleType, conn: Any) -> None:
    dom = conn.lookupByName("x")
    stream = conn.newStream()
    with pytest.raises(libvirt.libvirtError) as caught:
        stream.recv(10)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
    assert dom.screenshot(stream, 0) == "text"
    assert stream.recv(2) == b"im"
    parts: list[bytes] = []
    stream.recvAll(lambda st, data, opaque: parts.append(data), None)
    assert parts == [b"age"]
    assert stream.finish() == 0


def test_a_handler_that_refuses_aborts_the_stream(conn: Any) -> None:
    stream = conn.newStream()
    conn.lookupByName("x").screenshot(stream, 0)
    with pytest.raises(RuntimeError):
        stream.recvAll(lambda st, data, opaque: -1, None)
