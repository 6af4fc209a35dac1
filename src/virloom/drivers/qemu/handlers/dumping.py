# SPDX-License-Identifier: Apache-2.0
"""The memory of guests is written to files, for those who look for faults in them."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.process.running import CRASHED
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.saving.dump import Dump
from virloom.drivers.runtime.jobs import AsyncJob
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainCoreDumpFlags,
    DomainCoreDumpFormat,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationUnsupported
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_Flags = DomainCoreDumpFlags
_KNOWN = _Flags.CRASH | _Flags.LIVE | _Flags.BYPASS_CACHE | _Flags.RESET | _Flags.MEMORY_ONLY
_EXCLUSIVE = (
    (_Flags.CRASH, _Flags.LIVE),
    (_Flags.CRASH, _Flags.RESET),
    (_Flags.LIVE, _Flags.RESET),
)
#: What QEMU calls the formats.
_FORMATS = {
    DomainCoreDumpFormat.RAW: "elf",
    DomainCoreDumpFormat.KDUMP_ZLIB: "kdump-zlib",
    DomainCoreDumpFormat.KDUMP_LZO: "kdump-lzo",
    DomainCoreDumpFormat.KDUMP_SNAPPY: "kdump-snappy",
    DomainCoreDumpFormat.WIN_DMP: "win-dmp",
}


class Dumping:
    """Handlers of dumps."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_CORE_DUMP)
    async def core_dump(self, call: Call, args: p.DomainCoreDumpArgs) -> None:
        await self._dump(call, args.dom, args.to, DomainCoreDumpFormat.RAW, args.flags)

    @serves(p.DOMAIN_CORE_DUMP_WITH_FORMAT)
    async def core_dump_with_format(self, call: Call, args: p.DomainCoreDumpWithFormatArgs) -> None:
        await self._dump(call, args.dom, args.to, args.dumpformat, args.flags)

    async def _dump(
        self, call: Call, ref: NonnullDomain, path: str, format: int, flags: int
    ) -> None:
        _check(call, format, flags)
        guest = self._driver.find(ref)
        memory = _FORMATS[DomainCoreDumpFormat(format)] if flags & _Flags.MEMORY_ONLY else None
        async with guest.jobs.hold_async(AsyncJob.DUMP, call.procedure.name):
            running = guest.require_running()
            dump = Dump(
                self._driver,
                running,
                path,
                memory=memory,
                live=bool(flags & _Flags.LIVE),
                bypass_cache=bool(flags & _Flags.BYPASS_CACHE),
            )
            crash = bool(flags & _Flags.CRASH)
            await dump.run(resume=not crash, reset=bool(flags & _Flags.RESET))
            if crash and guest.running is running:
                await stop(running, CRASHED)


def _check(call: Call, format: int, flags: int) -> None:
    """Refuses what makes no sense together.

    Raises:
        InvalidArg: Flags exclude each other, or are unknown; or there is no such format.
        OperationUnsupported: A format that only core files have.
    """
    if format not in _FORMATS:
        raise senseless(f"dumpformat '{format}' is not supported")
    for one, other in _EXCLUSIVE:
        if flags & one and flags & other:
            raise senseless(
                f"Flags 'VIR_DUMP_{one.name}' and 'VIR_DUMP_{other.name}' are mutually exclusive"
            )
    check_flags(call, flags, _KNOWN, function="qemuDomainCoreDumpWithFormat")
    if format != DomainCoreDumpFormat.RAW and not flags & _Flags.MEMORY_ONLY:
        raise OperationUnsupported(
            "kdump-compressed format is only supported with memory-only dump",
            domain=ErrorDomain.QEMU,
        )
