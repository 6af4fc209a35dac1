# SPDX-License-Identifier: Apache-2.0
"""What ``virConnect`` has beyond calls of one procedure with one result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from libvirt._errors import ErrorTuple, fail, virGetLastError, virResetLastError
from libvirt._handle import opened
from libvirt._invoke import (
    CLASSES,
    call,
    guarded,
    handle_of,
    invoke,
    invoke_with_fds,
    params_of,
    text_of,
    typed,
    typed_like,
    wrap,
)  # fmt: skip
from libvirt._stream import StreamState
from libvirt._subscriptions import Subscriptions
from virloom.client.address import transport_of
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, InvalidConn, VirloomError

_READ_ONLY = 1
_VERSION = 9_000_000

_IDENTITY = {"process-id": "llong", "process-time": "ullong", "unix-user-id": "ullong",
             "unix-group-id": "ullong"}  # fmt: skip


def open_connection(uri: str | None, function: str, *, readonly: bool) -> Any:
    """A new virConnect.

    Raises:
        libvirtError: It cannot be opened.
    """
    if uri is not None and not isinstance(uri, str):
        kind = type(uri).__name__
        raise TypeError(f"{function}() argument 1 must be str or None, not {kind}")
    handle = guarded(function, lambda: opened(uri or None, readonly=readonly))
    return CLASSES["virConnect"](_obj=handle)


def open(name: str | None = None) -> Any:
    """Opens a connection for reading and writing; None for ``LIBVIRT_DEFAULT_URI``."""
    return open_connection(name, "virConnectOpen", readonly=False)


def openReadOnly(name: str | None = None) -> Any:
    """Opens a connection that can only look."""
    return open_connection(name, "virConnectOpenReadOnly", readonly=True)


def openAuth(uri: str, auth: Sequence[Any], flags: int = 0) -> Any:
    """Opens a connection; the callback of *auth* is not asked.

    Only SASL would need it, and none of its mechanisms is here: where a daemon insists on it the
    error is VIR_ERR_AUTH_UNAVAILABLE and has their names.
    """
    return open_connection(uri, "virConnectOpenAuth", readonly=bool(flags & _READ_ONLY))


def getVersion(name: str | None = None) -> int | tuple[int, int]:
    """The version of libvirt's API that this module has; for a driver's name, twice."""
    return _VERSION if name is None else (_VERSION, _VERSION)


def virInitialize() -> int:
    """Nothing to do; for compatibility."""
    return 0


def close(self: Any) -> int:
    """Closes; how many objects still use the connection, which lives until they are gone."""
    handle = self._handle
    if handle is None:
        virResetLastError()
        fail(InvalidConn("virConnectClose"), "virConnectClose")
    self._o = self._handle = None
    return int(guarded("virConnectClose", lambda: handle.drop(wait=True)))


def __del__(self: Any) -> None:
    handle, self._handle = getattr(self, "_handle", None), None
    if handle is not None:
        handle.drop(wait=False)


def __enter__(self: Any) -> Any:
    return self


def __exit__(self: Any, exc_type_: Any, exc_value_: Any, traceback_: Any) -> None:
    self.close()


def isAlive(self: Any) -> int:
    """Whether the connection is open."""
    return int(not handle_of(self, "virConnectIsAlive").connection.closed)


def getURI(self: Any) -> str:
    """The URI that it was opened with."""
    return handle_of(self, "virConnectGetURI").connection.uri


def isEncrypted(self: Any) -> int:
    """Whether what is sent is encrypted on its way."""
    secure = call(self, "virConnectIsEncrypted")
    uri = self._handle.connection._uri
    return int(bool(secure) and uri.is_remote and transport_of(uri) == "tls")


def setKeepAlive(self: Any, interval: int, count: int) -> int:
    """Asks a silent daemon for a sign of life after *interval* seconds, at most *count* times.

    An interval of 0 ends that. 1 where the daemon does not answer such questions.
    """
    handle = handle_of(self, "virConnectSetKeepAlive")
    return int(guarded("virConnectSetKeepAlive", lambda: handle.set_keepalive(interval, count)))


def virConnGetLastError(self: Any) -> ErrorTuple | None:
    """The last error of this thread."""
    return virGetLastError()


def virConnResetLastError(self: Any) -> None:
    """Forgets it."""
    virResetLastError()


def newStream(self: Any, flags: int = 0) -> Any:
    """A stream that is attached to nothing yet."""
    return CLASSES["virStream"](self, _obj=StreamState(handle_of(self, "virStreamNew"), flags))


def getInfo(self: Any) -> list[Any]:
    """CPU model, MiB of memory, CPUs, MHz, NUMA nodes, sockets, cores, threads."""
    r = invoke(self, "virNodeGetInfo")
    # The procedure has KiB, and the binding's list MiB.
    return [text_of(r.model), r.memory // 1024, r.cpus, r.mhz, r.nodes, r.sockets, r.cores,
            r.threads]  # fmt: skip


def getSecurityModel(self: Any) -> list[str]:
    """The security model and its domain of interpretation."""
    r = invoke(self, "virNodeGetSecurityModel")
    return [text_of(r.model), text_of(r.doi)]


def getCPUMap(self: Any, flags: int = 0) -> tuple[int, list[bool], int]:
    """How many CPUs there are, which of them are online, how many of those."""
    r = invoke(self, "virNodeGetCPUMap", 1, 1, flags)
    online = [bool(r.cpumap[cpu // 8] >> cpu % 8 & 1) for cpu in range(r.ret)]
    return r.ret, online, r.online


def getCellsFreeMemory(self: Any, startCell: int, maxCells: int) -> list[int]:
    """Free bytes of each NUMA cell."""
    return list(invoke(self, "virNodeGetCellsFreeMemory", startCell, maxCells).cells)


def getFreePages(
    self: Any, pages: Sequence[int], startCell: int, maxCells: int, flags: int = 0
) -> dict[int, dict[int, int]]:
    """Free pages by NUMA cell and page size in KiB."""
    counts = invoke(self, "virNodeGetFreePages", pages, startCell, maxCells, flags).counts
    size = len(pages)
    return {
        startCell + n: dict(zip(pages, counts[n * size : (n + 1) * size], strict=True))
        for n in range(len(counts) // size if size else 0)
    }


def allocPages(
    self: Any, pages: Mapping[int, int], startCell: int = 0, cellCount: int = 0, flags: int = 0
) -> int:
    """Allocates pages: a count by size in KiB."""
    if cellCount == 0:
        must_not_be_zero("virNodeAllocPages", "cellCount")
    values = list(pages), list(pages.values()), startCell, cellCount, flags
    return int(call(self, "virNodeAllocPages", *values))


def must_not_be_zero(function: str, name: str) -> None:
    """Raises what libvirt says of a zero where there must be a number."""
    text = f"{name} in {function} must not be zero"
    fail((8, 20, text, 2, function, name, None, 0, 0), function)


def baselineCPU(self: Any, xmlCPUs: Sequence[str], flags: int = 0) -> str:
    """The CPU that all of *xmlCPUs* can be."""
    return str(call(self, "virConnectBaselineCPU", xmlCPUs, flags))


def baselineHypervisorCPU(
    self: Any,
    emulator: str | None,
    arch: str | None,
    machine: str | None,
    virttype: str | None,
    xmlCPUs: Sequence[str],
    flags: int = 0,
) -> str:
    """The same, as far as the hypervisor can."""
    values = emulator, arch, machine, virttype, xmlCPUs, flags
    return str(call(self, "virConnectBaselineHypervisorCPU", *values))


def setMemoryParameters(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets parameters of the host's memory."""
    tagged = typed_like(params, lambda: invoke(self, "virNodeGetMemoryParameters", flags))
    return int(call(self, "virNodeSetMemoryParameters", tagged, flags))


def setIdentity(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Speaks for somebody else; needs the rights for it."""
    return int(call(self, "virConnectSetIdentity", typed(params, _IDENTITY), flags))


def restoreParams(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Restores a domain; what is restored is among the parameters."""
    return int(call(self, "virDomainRestoreParams", typed(params, {}), flags))


def getAllDomainStats(self: Any, stats: int = 0, flags: int = 0) -> list[tuple[Any, Any]]:
    """(domain, statistics) of all domains."""
    return _statistics(self, [], stats, flags)


def domainListGetStats(
    self: Any, doms: Sequence[Any], stats: int = 0, flags: int = 0
) -> list[tuple[Any, Any]]:
    """(domain, statistics) of some."""
    if not doms:
        function = "virDomainListGetStats"
        text = f"doms array in {function} must contain at least one domain"
        fail(InvalidArg(text, domain=ErrorDomain.DOMAIN), function)
    return _statistics(self, doms, stats, flags)


def _statistics(self: Any, doms: Sequence[Any], stats: int, flags: int) -> list[tuple[Any, Any]]:
    rows = invoke(self, "virConnectGetAllDomainStats", doms, stats, flags).ret_stats
    return [(wrap(self, row.dom), params_of(row.params)) for row in rows]


def createXMLWithFiles(self: Any, xmlDesc: str, files: Sequence[int], flags: int = 0) -> Any:
    """Starts a transient domain, which inherits copies of *files*."""
    result, _ = invoke_with_fds(self, "virDomainCreateXMLWithFiles", files, xmlDesc, flags)
    return wrap(self, result.dom)


def registerCloseCallback(self: Any, cb: Callable[..., object], opaque: Any) -> int:
    """Calls ``cb(conn, reason, opaque)`` from the event loop when the connection breaks off."""
    handle = handle_of(self, "virConnectRegisterCloseCallback")
    subscriptions = Subscriptions.of(handle)
    data = self._close_data = {"cb": cb, "conn": self, "opaque": opaque}

    def ended(reason: VirloomError | None) -> None:
        if reason is not None and self._close_data is data:
            number = 2 if "keepalive" in reason.message else 1
            subscriptions.later(lambda: self._dispatchCloseCallback(number, data))

    handle.connection.on_close(ended)
    return 0


def unregisterCloseCallback(self: Any) -> None:
    """Takes it back."""
    self._close_data = None


def lookupByID(self: Any, id: int) -> Any:
    """The running domain of an id."""
    if id < 0:
        text = "id in virDomainLookupByID must be zero or greater"
        fail((8, 20, text, 2, "virDomainLookupByID", "id", None, 0, 0), "virDomainLookupByID")
    return call(self, "virDomainLookupByID", id)
