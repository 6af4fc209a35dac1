# SPDX-License-Identifier: Apache-2.0
"""Calls that carry descriptors: a display's client, and files that a caller opened for a guest."""

from __future__ import annotations

import os
import socket
import stat
from typing import Literal

from virloom.drivers.qemu.associated import FdGroup
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.monitor.commands.display import add_client
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainFDAssociateFlags, DomainOpenGraphicsFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg
from virloom.host.fdpass import OwnedFds
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain


class Descriptors:
    """Handlers of calls with descriptors."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_OPEN_GRAPHICS)
    async def open_graphics(self, call: Call, args: p.DomainOpenGraphicsArgs) -> None:
        with OwnedFds(call.take_fds()) as fds:
            if not fds.numbers:
                raise InternalError("No FD available at slot 0", domain=ErrorDomain.RPC)
            check_flags(call, args.flags, DomainOpenGraphicsFlags.SKIPAUTH)
            client = fds.numbers[0]
            if not stat.S_ISSOCK(os.fstat(client).st_mode):
                raise InvalidArg.worded(f"fd {client} must be a socket", domain=ErrorDomain.DOMAIN)
            await self._open(call, args.dom, args.idx, client, args.flags)

    @serves(p.DOMAIN_OPEN_GRAPHICS_FD)
    async def open_graphics_fd(self, call: Call, args: p.DomainOpenGraphicsFdArgs) -> None:
        check_flags(call, args.flags, DomainOpenGraphicsFlags.SKIPAUTH)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            await self._open(call, args.dom, args.idx, theirs.fileno(), args.flags)
            call.give_fd(ours.detach())

    async def _open(
        self, call: Call, ref: NonnullDomain, index: int, client: int, flags: int
    ) -> None:
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            protocol = _protocol(running, index)
            skip = bool(flags & DomainOpenGraphicsFlags.SKIPAUTH)
            await add_client(running.require_monitor(), protocol, client, skip_auth=skip)

    @serves(p.DOMAIN_FD_ASSOCIATE)
    def fd_associate(self, call: Call, args: p.DomainFdAssociateArgs) -> None:
        """Keeps the descriptors under a name that disk sources refer to.

        They stay until this connection ends, or others come under the same name. The flags are
        about security labels, of which an open descriptor needs none here.
        """
        known = DomainFDAssociateFlags
        with OwnedFds(call.take_fds()) as fds:
            if not fds.numbers:
                raise senseless("nfds in virDomainFDAssociate must not be zero")
            check_flags(call, args.flags, known.RESTORE | known.WRITABLE)
            guest = self._driver.find(args.dom)
            group = FdGroup(args.name, fds.release())
        guest.fd_groups.put(group, call.session.on_close)


def _protocol(running: RunningGuest, index: int) -> Literal["vnc", "spice"]:
    displays = running.model.devices.graphics
    if index >= len(displays):
        raise InternalError(f"No graphics backend with index {index}", domain=ErrorDomain.QEMU)
    match displays[index].type:
        case "vnc":
            return "vnc"
        case "spice":
            return "spice"
        case other:
            raise InternalError(
                f"Can only open VNC, SPICE or D-Bus p2p graphics backends, not {other}",
                domain=ErrorDomain.QEMU,
            )
