# SPDX-License-Identifier: Apache-2.0
"""What ``virDomain`` has beyond calls of one procedure with one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from libvirt._errors import fail, libvirtError
from libvirt._invoke import (
    call,
    invoke,
    invoke_with_fds,
    params_of,
    text_of,
    typed,
    typed_like,
)  # fmt: skip
from libvirt._stream import attach
from virloom.enums.domain import DomainMemoryStatTags
from virloom.errors import InternalError

_COPY = {"bandwidth": "ullong", "granularity": "uint", "buf-size": "ullong"}
_IOTHREAD = {
    "poll_max_ns": "ullong", "poll_grow": "uint", "poll_shrink": "uint", "thread_pool_min": "int",
    "thread_pool_max": "int",
}  # fmt: skip
_LAUNCH = {"sev-secret-set-address": "ullong"}


def values_of(record: Any) -> list[Any]:
    """The fields of a result in their order."""
    return [getattr(record, name) for name, _ in type(record).WIRE]


def create(self: Any) -> int:
    """Starts the domain."""
    return createWithFlags(self, 0)


def createWithFlags(self: Any, flags: int = 0) -> int:
    """Starts the domain."""
    self._o.id = invoke(self, "virDomainCreateWithFlags", flags).dom.id
    return 0


def createWithFiles(self: Any, files: Sequence[int], flags: int = 0) -> int:
    """Starts the domain, which inherits copies of *files*."""
    result, _ = invoke_with_fds(self, "virDomainCreateWithFiles", files, flags)
    self._o.id = result.dom.id
    return 0


def destroy(self: Any) -> int:
    """Stops the domain at once."""
    return _without_id(self, call(self, "virDomainDestroy"))


def destroyFlags(self: Any, flags: int = 0) -> int:
    """The same, with flags."""
    return _without_id(self, call(self, "virDomainDestroyFlags", flags))


def _without_id(self: Any, result: int) -> int:
    self._o.id = -1
    return result


def ID(self: Any) -> int:
    """The id that it had when it was looked up, or that it was started with; -1 for none."""
    return int(self._o.id)


def info(self: Any) -> list[int]:
    """State, KiB of memory at most and now, vCPUs, nanoseconds of CPU time."""
    return values_of(invoke(self, "virDomainGetInfo"))


def state(self: Any, flags: int = 0) -> list[int]:
    """State and reason."""
    return values_of(invoke(self, "virDomainGetState", flags))


def controlInfo(self: Any, flags: int = 0) -> list[int]:
    """State of the control interface, details, milliseconds in it."""
    return values_of(invoke(self, "virDomainGetControlInfo", flags))


def jobInfo(self: Any) -> list[int]:
    """The twelve numbers of a running job."""
    return values_of(invoke(self, "virDomainGetJobInfo"))


def jobStats(self: Any, flags: int = 0) -> dict[str, Any]:
    """The same by name, and more."""
    r = invoke(self, "virDomainGetJobStats", flags)
    return {"type": r.type, **params_of(r.params)}


def blockInfo(self: Any, path: str, flags: int = 0) -> list[int]:
    """Capacity, allocation and physical size in bytes."""
    r = invoke(self, "virDomainGetBlockInfo", path, flags)
    return [r.capacity, r.allocation, r.physical]


def blockStats(self: Any, path: str) -> tuple[Any, ...]:
    """Read requests and bytes, write requests and bytes, errors."""
    return tuple(values_of(invoke(self, "virDomainBlockStats", path)))


def interfaceStats(self: Any, path: str) -> tuple[Any, ...]:
    """Bytes, packets, errors and drops: received, then sent."""
    return tuple(values_of(invoke(self, "virDomainInterfaceStats", path)))


def blockJobInfo(self: Any, path: str, flags: int = 0) -> dict[str, int]:
    """Type, bandwidth, position and end of a block job; empty when there is none."""
    r = invoke(self, "virDomainGetBlockJobInfo", path, flags)
    if not r.found:
        return {}
    return {"type": r.type, "bandwidth": r.bandwidth, "cur": r.cur, "end": r.end}


def memoryStats(self: Any) -> dict[str, int]:
    """Memory statistics by name, in KiB where they are amounts."""
    rows = invoke(self, "virDomainMemoryStats", DomainMemoryStatTags.NR, 0).stats
    names = {tag.value: tag.name.lower() for tag in DomainMemoryStatTags}
    names[DomainMemoryStatTags.ACTUAL_BALLOON] = "actual"
    return {names[row.tag]: row.val for row in rows if row.tag in names}


def diskErrors(self: Any, flags: int = 0) -> dict[str, int]:
    """The error of each disk that has one; no flags are known, and none go with the call."""
    number = invoke(self, "virDomainGetDiskErrors", 0, 0).nerrors
    if number == 0:
        return {}
    rows = invoke(self, "virDomainGetDiskErrors", number, 0).errors
    return {row.disk: row.error for row in rows}


def schedulerType(self: Any) -> tuple[str, int]:
    """The scheduler's name, and how many parameters it has."""
    r = invoke(self, "virDomainGetSchedulerType")
    return r.type, r.nparams


def securityLabel(self: Any) -> list[Any]:
    """The label of its process, and whether it is enforced."""
    r = invoke(self, "virDomainGetSecurityLabel")
    return [text_of(r.label), bool(r.enforcing)]


def securityLabelList(self: Any) -> list[list[Any]]:
    """The same for each security model."""
    rows = invoke(self, "virDomainGetSecurityLabelList").labels
    return [[text_of(row.label), bool(row.enforcing)] for row in rows]


def getTime(self: Any, flags: int = 0) -> dict[str, int]:
    """The guest's time."""
    r = invoke(self, "virDomainGetTime", flags)
    return {"seconds": r.seconds, "nseconds": r.nseconds}


def setTime(self: Any, time: Mapping[str, int] | None = None, flags: int = 0) -> int:
    """Sets the guest's time: ``seconds`` and ``nseconds``; None with the SYNC flag."""
    if time is None and not flags:
        raise TypeError("time must be a dictionary or None with flags set")
    given = time or {}
    values = given.get("seconds", 0), given.get("nseconds", 0)
    return int(call(self, "virDomainSetTime", *values, flags))


def guestInfo(self: Any, types: int = 0, flags: int = 0) -> Any:
    """What the guest's agent tells."""
    return call(self, "virDomainGetGuestInfo", types, flags)


def launchSecurityInfo(self: Any, flags: int = 0) -> Any:
    """Parameters of a protected guest's start."""
    return call(self, "virDomainGetLaunchSecurityInfo", flags)


def interfaceAddresses(self: Any, source: int, flags: int = 0) -> dict[str, Any]:
    """The guest's interfaces by name: hardware address and addresses."""
    rows = invoke(self, "virDomainInterfaceAddresses", source, flags).ifaces
    return {
        row.name: {
            "addrs": [{"addr": a.addr, "prefix": a.prefix, "type": a.type} for a in row.addrs]
            or None,
            "hwaddr": row.hwaddr,
        }
        for row in rows
    }


def fsInfo(self: Any, flags: int = 0) -> list[tuple[str, str, str, list[str]]]:
    """Mount point, name, type and disks of each of the guest's file systems."""
    rows = invoke(self, "virDomainGetFSInfo", flags).info
    return [(row.mountpoint, row.name, row.fstype, list(row.dev_aliases)) for row in rows]


def fsFreeze(self: Any, mountpoints: Sequence[str] | None = None, flags: int = 0) -> int:
    """Freezes file systems; how many."""
    return int(call(self, "virDomainFSFreeze", mountpoints, flags))


def fsThaw(self: Any, mountpoints: Sequence[str] | None = None, flags: int = 0) -> int:
    """Thaws them; how many."""
    return int(call(self, "virDomainFSThaw", mountpoints, flags))


def sendKey(
    self: Any, codeset: int, holdtime: int, keycodes: Sequence[int], nkeycodes: int, flags: int = 0
) -> int:
    """Presses keys together."""
    keys = list(keycodes)[:nkeycodes]
    return int(call(self, "virDomainSendKey", codeset, holdtime, keys, flags))


def authorizedSSHKeysSet(
    self: Any, user: str, keys: Sequence[str] | None = None, flags: int = 0
) -> int:
    """Sets the keys that may log in as *user* in the guest."""
    return int(call(self, "virDomainAuthorizedSSHKeysSet", user, keys, flags))


def revertToSnapshot(self: Any, snap: Any, flags: int = 0) -> int:
    """Goes back to a snapshot."""
    return int(call(snap, "virDomainRevertToSnapshot", flags))


def openConsole(self: Any, dev_name: str | None, st: Any, flags: int = 0) -> int:
    """Attaches a stream to a serial console."""
    attach(self, "virDomainOpenConsole", st, dev_name, flags)
    return 0


def openChannel(self: Any, name: str | None, st: Any, flags: int = 0) -> int:
    """Attaches a stream to a channel."""
    attach(self, "virDomainOpenChannel", st, name, flags)
    return 0


def screenshot(self: Any, stream: Any, screen: int, flags: int = 0) -> str:
    """Attaches a stream to an image of a screen; its MIME type."""
    return str(attach(self, "virDomainScreenshot", stream, screen, flags).mime)


def openGraphics(self: Any, idx: int, fd: int, flags: int = 0) -> int:
    """Has the guest's graphics serve a connected socket."""
    invoke_with_fds(self, "virDomainOpenGraphics", [fd], idx, flags)
    return 0


def openGraphicsFD(self: Any, idx: int, flags: int = 0) -> int:
    """A socket that is connected to the guest's graphics."""
    _, fds = invoke_with_fds(self, "virDomainOpenGraphicsFD", [], idx, flags)
    if not fds:
        fail(InternalError("no file descriptor received"), "virDomainOpenGraphicsFD")
    return fds[0]


def FDAssociate(self: Any, name: str, files: Sequence[int], flags: int = 0) -> int:
    """Gives the domain copies of *files* under a name."""
    invoke_with_fds(self, "virDomainFDAssociate", files, name, flags)
    return 0


def setMemoryParameters(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets memory limits."""
    return _set_like(
        self, "virDomainGetMemoryParameters", "virDomainSetMemoryParameters", params, flags
    )


def setBlkioParameters(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets block I/O limits."""
    return _set_like(
        self, "virDomainGetBlkioParameters", "virDomainSetBlkioParameters", params, flags
    )


def setNumaParameters(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets NUMA tuning."""
    return _set_like(
        self, "virDomainGetNumaParameters", "virDomainSetNumaParameters", params, flags
    )


def setPerfEvents(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Switches performance events."""
    return _set_like(self, "virDomainGetPerfEvents", "virDomainSetPerfEvents", params, flags)


def setSchedulerParametersFlags(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets scheduler parameters."""
    tagged = typed_like(params, lambda: _scheduler(self, flags))
    return int(call(self, "virDomainSetSchedulerParametersFlags", tagged, flags))


def setSchedulerParameters(self: Any, params: Mapping[str, Any]) -> int:
    """Sets scheduler parameters."""
    tagged = typed_like(params, lambda: _scheduler_without_flags(self))
    return int(call(self, "virDomainSetSchedulerParameters", tagged))


def schedulerParameters(self: Any) -> dict[str, Any]:
    """The scheduler's parameters."""
    return params_of(_scheduler_without_flags(self).params)


def schedulerParametersFlags(self: Any, flags: int = 0) -> dict[str, Any]:
    """The same, with flags."""
    return params_of(_scheduler(self, flags).params)


def _scheduler_without_flags(self: Any) -> Any:
    number = invoke(self, "virDomainGetSchedulerType").nparams
    return invoke(self, "virDomainGetSchedulerParameters", number)


def guestVcpus(self: Any, flags: int = 0) -> Any:
    """The processors as the guest's agent sees them; None where it fails, as in the binding."""
    try:
        return call(self, "virDomainGetGuestVcpus", flags)
    except libvirtError:
        return None


def _scheduler(self: Any, flags: int) -> Any:
    """The parameters as they came; the scheduler's type tells how many there are."""
    number = invoke(self, "virDomainGetSchedulerType").nparams
    return invoke(self, "virDomainGetSchedulerParametersFlags", number, flags)


def setThrottleGroup(self: Any, group: str, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets the limits of a group of disks."""
    return int(call(self, "virDomainSetThrottleGroup", group, typed(params, {}), flags))


def setBlockIoTune(self: Any, disk: str, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets limits of one disk."""
    tagged = typed_like(params, lambda: invoke(self, "virDomainGetBlockIoTune", disk, flags))
    return int(call(self, "virDomainSetBlockIoTune", disk, tagged, flags))


def setInterfaceParameters(
    self: Any, device: str, params: Mapping[str, Any], flags: int = 0
) -> int:
    """Sets bandwidths of one interface."""
    getter = "virDomainGetInterfaceParameters"
    tagged = typed_like(params, lambda: invoke(self, getter, device, flags))
    return int(call(self, "virDomainSetInterfaceParameters", device, tagged, flags))


def _set_like(self: Any, getter: str, setter: str, params: Mapping[str, Any], flags: int) -> int:
    """Sets parameters with the types that their getter shows, as the binding does."""
    tagged = typed_like(params, lambda: invoke(self, getter, flags))
    return int(call(self, setter, tagged, flags))


def blockCopy(
    self: Any, disk: str, destxml: str, params: Mapping[str, Any] | None = None, flags: int = 0
) -> int:
    """Starts to copy a disk."""
    return int(call(self, "virDomainBlockCopy", disk, destxml, typed(params, _COPY), flags))


def saveParams(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Saves; where to is among the parameters."""
    return int(call(self, "virDomainSaveParams", typed(params, {}), flags))


def setIOThreadParams(
    self: Any, iothread_val: int, params: Mapping[str, Any], flags: int = 0
) -> int:
    """Sets parameters of one I/O thread."""
    tagged = typed(params, _IOTHREAD)
    return int(call(self, "virDomainSetIOThreadParams", iothread_val, tagged, flags))


def setLaunchSecurityState(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Gives a protected guest its secret."""
    return int(call(self, "virDomainSetLaunchSecurityState", typed(params, _LAUNCH), flags))
