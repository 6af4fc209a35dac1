# SPDX-License-Identifier: Apache-2.0
"""libvirt's ``libvirt_qemu`` over Virloom: the monitor and the agent of QEMU guests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import libvirt
from libvirt._invoke import call, guarded, handle_of, invoke_with_fds, wrap
from libvirt._qemu_constants import *  # noqa: F403 - VIR_*
from libvirt._subscriptions import Subscriptions

_FAMILY = "qemu"


def qemuMonitorCommand(domain: libvirt.virDomain, cmd: str, flags: int) -> str:
    """Sends a command to the guest's monitor; its answer as JSON, or as text with the HMP flag."""
    return str(call(domain, "virDomainQemuMonitorCommand", cmd, flags))


def qemuMonitorCommandWithFiles(
    domain: libvirt.virDomain,
    cmd: str,
    files: Sequence[int] = [],
    flags: int = 0,
) -> tuple[str, list[int]]:
    """The same with copies of *files*; descriptors that come back are the caller's."""
    function = "virDomainQemuMonitorCommandWithFiles"
    result, fds = invoke_with_fds(domain, function, files, cmd, flags)
    return str(result.result), fds


def qemuAgentCommand(domain: libvirt.virDomain, cmd: str, timeout: int, flags: int) -> str:
    """Sends a command to the guest's agent; its answer as JSON."""
    return str(call(domain, "virDomainQemuAgentCommand", cmd, timeout, flags))


def qemuAttach(conn: libvirt.virConnect, pid_value: int, flags: int) -> Any:
    """Takes over a QEMU that somebody else has started."""
    return call(conn, "virDomainQemuAttach", pid_value, flags)


def qemuMonitorEventRegister(
    conn: libvirt.virConnect,
    dom: libvirt.virDomain | None,
    event: str | None,
    cb: Callable[..., object],
    opaque: Any,
    flags: int = 0,
) -> int:
    """Calls ``cb(conn, dom, event, seconds, micros, details, opaque)`` for monitor events."""
    from virloom.procedures import qemu as q

    function = "virConnectDomainQemuMonitorEventRegister"
    handle = handle_of(conn, function)
    subscriptions = Subscriptions.of(handle)
    args = q.QemuConnectDomainMonitorEventRegisterArgs(
        None if dom is None else dom._o, event, flags
    )
    data = {"cb": cb, "conn": conn, "opaque": opaque}

    def told(message: q.QemuDomainMonitorEventMsg) -> None:
        _dispatchQemuMonitorEventCallback(
            conn, message.dom, message.event, message.seconds, message.micros, message.details, data
        )  # fmt: skip

    procedure = q.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER
    return int(guarded(function, lambda: subscriptions.add(_FAMILY, procedure, args, told)))


def qemuMonitorEventDeregister(conn: libvirt.virConnect, callbackID: int) -> None:
    """Takes a callback back."""
    from virloom.procedures import qemu as q

    function = "virConnectDomainQemuMonitorEventDeregister"
    handle = handle_of(conn, function)
    subscriptions = Subscriptions.of(handle)

    procedure = q.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER
    guarded(function, lambda: subscriptions.remove(_FAMILY, callbackID, procedure))


def _dispatchQemuMonitorEventCallback(
    conn: libvirt.virConnect,
    dom: Any,
    event: str,
    seconds: int,
    micros: int,
    details: str | None,
    cbData: dict[str, Any],
) -> int:
    cbData["cb"](conn, wrap(conn, dom), event, seconds, micros, details, cbData["opaque"])
    return 0
