# SPDX-License-Identifier: Apache-2.0
"""The guest's file systems: what is mounted, held still, or trimmed, by its agent."""

from __future__ import annotations

from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.agent.answers import number, reading
from virloom.drivers.qemu.agent.disks import file_systems
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported
from virloom.procedures import domain as p

_INT = (1 << 31) - 1


class AgentFiles:
    """Handlers of the guest's file systems."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_FSINFO)
    async def info(self, call: Call, args: p.DomainGetFsinfoArgs) -> p.DomainGetFsinfoRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.QUERY, call.procedure.name) as asked:
            answer = await asked.execute("guest-get-fsinfo")
        with reading("guest-get-fsinfo"):
            found = file_systems(asked.running.model, answer)
        infos = [
            p.DomainFsinfo(
                one.mountpoint,
                one.name,
                one.kind,
                [disk.name for disk in one.disks if disk.name is not None],
            )
            for one in found
        ]
        return p.DomainGetFsinfoRet(infos, len(infos))

    @serves(p.DOMAIN_FSFREEZE)
    async def freeze(self, call: Call, args: p.DomainFsfreezeArgs) -> p.DomainFsfreezeRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        command, arguments = "guest-fsfreeze-freeze", None
        if args.mountpoints:
            command = "guest-fsfreeze-freeze-list"
            arguments = {"mountpoints": args.mountpoints}
        async with asking(guest, Job.MODIFY, call.procedure.name) as asked:
            answer = await asked.execute(command, arguments)
        with reading(command):
            return p.DomainFsfreezeRet(number(answer, 0, _INT))

    @serves(p.DOMAIN_FSTHAW)
    async def thaw(self, call: Call, args: p.DomainFsthawArgs) -> p.DomainFsthawRet:
        """All of them: an agent cannot thaw only some."""
        check_flags(call, args.flags, 0)
        if args.mountpoints:
            raise ArgumentUnsupported(
                "specifying mountpoints is not supported", domain=ErrorDomain.QEMU
            )
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.MODIFY, call.procedure.name) as asked:
            answer = await asked.execute("guest-fsfreeze-thaw")
        with reading("guest-fsfreeze-thaw"):
            return p.DomainFsthawRet(number(answer, 0, _INT))

    @serves(p.DOMAIN_FSTRIM)
    async def trim(self, call: Call, args: p.DomainFstrimArgs) -> None:
        check_flags(call, args.flags, 0)
        if args.mount_point:
            raise ArgumentUnsupported(
                "Specifying mount point is not supported for now", domain=ErrorDomain.QEMU
            )
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.MODIFY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            await asked.execute("guest-fstrim", {"minimum": args.minimum})
