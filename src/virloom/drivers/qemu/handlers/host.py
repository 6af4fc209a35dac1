# SPDX-License-Identifier: Apache-2.0
"""The host: what it can do, and how its processors and its memory are doing."""

from __future__ import annotations

import os
from functools import lru_cache

from virloom.drivers.qemu.capabilities import Parts, find_emulator, kvm
from virloom.drivers.qemu.capabilities.document import (
    ARCHITECTURES,
    NO_MODEL,
    SecurityModel,
    capabilities_xml,
)
from virloom.drivers.qemu.capabilities.domain_document import domain_capabilities_xml
from virloom.drivers.qemu.capabilities.host_cpu import plain_models, read_processor
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import (
    CELLS_MAX,
    HOST_FIGURES_MAX,
    HOST_PARAMETERS_MAX,
    check_flags,
    check_host_flags,
    check_parameters,
    check_room,
    senseless,
)
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationFailed,
    OperationUnsupported,
    system_failure,
)
from virloom.host import memory
from virloom.host.boot import cpu_count
from virloom.host.sysinfo import smbios
from virloom.host.topology import CpuTimes, cpu_times, online_cpus, present_cpus, read_topology
from virloom.procedures import connect as p
from virloom.procedures import domain as d
from virloom.procedures.record import Void, typed_value
from virloom.procedures.types import TypedParam
from virloom.xml.escape import escape

_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY


class Host:
    """Handlers of what is known about the host."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- what it can do ------------------------------------------------------------------------

    @serves(p.CONNECT_GET_CAPABILITIES)
    async def capabilities(self, call: Call, args: Void) -> p.ConnectGetCapabilitiesRet:
        driver = self._driver
        usable = await kvm.usable(driver.directories.cache)
        models = [SecurityModel(name, {}) for name in driver.security.models] or [NO_MODEL]
        if driver.dac.privileged:
            label = f"+{driver.dac.ids.uid}:+{driver.dac.ids.gid}"
            models.append(SecurityModel("dac", {"kvm": label, "qemu": label}))
        text = await capabilities_xml(driver.capabilities, kvm=usable, models=models)
        return p.ConnectGetCapabilitiesRet(text)

    @serves(d.CONNECT_GET_DOMAIN_CAPABILITIES)
    async def domain_capabilities(
        self, call: Call, args: d.ConnectGetDomainCapabilitiesArgs
    ) -> d.ConnectGetDomainCapabilitiesRet:
        check_flags(call, args.flags, 0)
        text = await domain_capabilities_xml(
            self._driver.capabilities,
            await kvm.check(self._driver.directories.cache),
            emulator=args.emulatorbin,
            arch=args.arch,
            machine=args.machine,
            type=args.virttype,
        )
        return d.ConnectGetDomainCapabilitiesRet(text)

    @serves(p.CONNECT_GET_CPU_MODEL_NAMES)
    async def cpu_model_names(
        self, call: Call, args: p.ConnectGetCPUModelNamesArgs
    ) -> p.ConnectGetCPUModelNamesRet:
        """The models of the QEMU that is installed for this architecture, by name."""
        check_flags(call, args.flags, 0)
        if args.arch not in ARCHITECTURES:
            raise InvalidArg(f"cannot find architecture {args.arch}", domain=ErrorDomain.QEMU)
        try:
            binary = find_emulator(args.arch)
        except ConfigUnsupported:
            return p.ConnectGetCPUModelNamesRet([], 0)
        caps = await self._driver.capabilities.get(binary, Parts.CPU_MODELS)
        names = plain_models(caps)
        return p.ConnectGetCPUModelNamesRet(names if args.need_results else [], len(names))

    @serves(p.CONNECT_GET_SYSINFO)
    def sysinfo(self, call: Call, args: p.ConnectGetSysinfoArgs) -> p.ConnectGetSysinfoRet:
        check_flags(call, args.flags, 0)
        found = smbios()
        if found is None:
            raise ConfigUnsupported(
                "Host SMBIOS information is not available", domain=ErrorDomain.QEMU
            )
        lines = ["<sysinfo type='smbios'>"]
        for section, entries in found.items():
            lines.append(f"  <{section}>")
            lines += [
                f"    <entry name='{name}'>{escape(value)}</entry>"
                for name, value in entries.items()
            ]
            lines.append(f"  </{section}>")
        return p.ConnectGetSysinfoRet("\n".join([*lines, "</sysinfo>", ""]))

    @serves(p.NODE_GET_SEV_INFO)
    def sev_info(self, call: Call, args: p.NodeGetSevInfoArgs) -> p.NodeGetSevInfoRet:
        raise OperationUnsupported("QEMU does not support SEV guest", domain=ErrorDomain.QEMU)

    @serves(p.NODE_GET_SECURITY_MODEL)
    def security_model(self, call: Call, args: Void) -> p.NodeGetSecurityModelRet:
        """The first model of the capabilities document."""
        model = self._driver.security.primary
        return p.NodeGetSecurityModelRet(model.encode() + b"\0", b"0\0")

    # -- processors ----------------------------------------------------------------------------

    @serves(p.NODE_GET_INFO)
    def info(self, call: Call, args: Void) -> p.NodeGetInfoRet:
        online = online_cpus()
        shape = _shape(tuple(online), len(present_cpus()) or cpu_count())
        processor = read_processor()
        return p.NodeGetInfoRet(
            os.uname().machine.encode()[:31].ljust(32, b"\0"),
            sum(_statistics(node).get("total", 0) for node in memory.nodes()),
            len(online) or cpu_count(),
            processor.megahertz if processor is not None else 0,
            *shape,
        )

    @serves(p.NODE_GET_CPU_MAP)
    def cpu_map(self, call: Call, args: p.NodeGetCPUMapArgs) -> p.NodeGetCPUMapRet:
        check_host_flags(call, args.flags, 0, "virHostCPUGetMap")
        online = online_cpus()
        size = max([*present_cpus(), *online], default=0) + 1
        bits = bytearray((size + 7) // 8)
        for number in online:
            bits[number // 8] |= 1 << number % 8
        return p.NodeGetCPUMapRet(
            bytes(bits) if args.need_map else b"", len(online) if args.need_online else 0, size
        )

    @serves(p.NODE_GET_CPU_STATS)
    def cpu_stats(self, call: Call, args: p.NodeGetCPUStatsArgs) -> p.NodeGetCPUStatsRet:
        check_parameters(args.nparams, HOST_FIGURES_MAX)
        if args.cpu_num < -1:
            raise senseless("cpuNum in virNodeGetCPUStats only accepts -1 as a negative value")
        check_host_flags(call, args.flags, 0, "virHostCPUGetStats")
        if args.nparams == 0:
            return p.NodeGetCPUStatsRet([], len(CpuTimes._fields))
        _check_number("virHostCPUGetStatsLinux", args.nparams, len(CpuTimes._fields), "equal to ")
        try:
            times = cpu_times(None if args.cpu_num == -1 else args.cpu_num)
        except OSError as exc:
            raise system_failure("cannot read '/proc/stat'", exc) from exc
        if times is None:
            raise senseless("Invalid cpuNum in virHostCPUGetStatsLinux", ErrorDomain.NONE)
        stats = [p.NodeGetCPUStats(name, value) for name, value in times._asdict().items()]
        return p.NodeGetCPUStatsRet(stats, len(stats))

    # -- memory --------------------------------------------------------------------------------

    @serves(p.NODE_GET_FREE_MEMORY)
    def free_memory(self, call: Call, args: Void) -> p.NodeGetFreeMemoryRet:
        return p.NodeGetFreeMemoryRet(sum(_free_bytes(node) for node in memory.nodes()))

    @serves(p.NODE_GET_CELLS_FREE_MEMORY)
    def cells_free_memory(
        self, call: Call, args: p.NodeGetCellsFreeMemoryArgs
    ) -> p.NodeGetCellsFreeMemoryRet:
        check_room("maxcells", args.maxcells, CELLS_MAX, "REMOTE_NODE_MAX_CELLS")
        if args.maxcells == 0:
            raise senseless("maxCells in virNodeGetCellsFreeMemory must be greater than zero")
        if args.start_cell < 0:
            raise senseless("startCell in virNodeGetCellsFreeMemory must be zero or greater")
        cells = range(args.start_cell, last_cell(args.start_cell, args.maxcells) + 1)
        return p.NodeGetCellsFreeMemoryRet([_free_bytes(node) for node in cells])

    @serves(p.NODE_GET_FREE_PAGES)
    def free_pages(self, call: Call, args: p.NodeGetFreePagesArgs) -> p.NodeGetFreePagesRet:
        """Free pages by cell and size; cell -1 is the whole host."""
        check_flags(call, args.flags, 0)
        if len(args.pages) * args.cell_count > CELLS_MAX:
            raise InternalError(
                "the result won't fit into REMOTE_NODE_MAX_CELLS", domain=ErrorDomain.RPC
            )
        if not args.pages:
            raise senseless("npages in virNodeGetFreePages must not be zero")
        if not args.cell_count:
            raise senseless("cellCount in virNodeGetFreePages must not be zero")
        if args.start_cell < -1:
            raise OperationFailed(f"NUMA node {args.start_cell} is not available")
        last = last_cell(args.start_cell, args.cell_count)
        cells = range(args.start_cell, last + 1)
        return p.NodeGetFreePagesRet([_pages(cell, size) for cell in cells for size in args.pages])

    @serves(p.NODE_GET_MEMORY_STATS)
    def memory_stats(self, call: Call, args: p.NodeGetMemoryStatsArgs) -> p.NodeGetMemoryStatsRet:
        check_parameters(args.nparams, HOST_FIGURES_MAX)
        if args.cell_num < -1:
            raise senseless("cellNum in virNodeGetMemoryStats only accepts -1 as a negative value")
        check_host_flags(call, args.flags, 0, "virHostMemGetStats")
        try:
            if args.cell_num == -1:
                found = memory.host_statistics()
            else:
                found = memory.node_statistics(args.cell_num)
        except OSError as exc:
            raise system_failure("cannot read the host's 'meminfo'", exc) from exc
        if not found:
            raise senseless(
                f"cellNum in virHostMemGetStats must be less than or equal to {memory.nodes()[-1]}",
                ErrorDomain.NONE,
            )
        if args.nparams == 0:
            return p.NodeGetMemoryStatsRet([], len(found))
        _check_number("virHostMemGetStatsLinux", args.nparams, len(found), "")
        stats = [p.NodeGetMemoryStats(name, value) for name, value in found.items()]
        return p.NodeGetMemoryStatsRet(stats, len(stats))

    @serves(p.NODE_GET_MEMORY_PARAMETERS)
    def memory_parameters(
        self, call: Call, args: p.NodeGetMemoryParametersArgs
    ) -> p.NodeGetMemoryParametersRet:
        """How the kernel shares equal pages of guests (KSM)."""
        check_parameters(args.nparams, HOST_PARAMETERS_MAX)
        check_host_flags(call, args.flags, _STRING_OKAY, "virHostMemGetParameters")
        if args.nparams == 0:
            return p.NodeGetMemoryParametersRet([], len(memory.SHARING))
        try:
            found = memory.sharing()
        except OSError as exc:
            raise system_failure("cannot read what the kernel shares of memory", exc) from exc
        params = [
            TypedParam(figure.name, typed_value("ullong" if figure.wide else "uint", value))
            for figure, value in found
        ]
        # libvirt sends their number only where it was asked for that.
        return p.NodeGetMemoryParametersRet(params[: args.nparams], 0)


def _check_number(function: str, given: int, needed: int, words: str) -> None:
    """Both kinds of host statistics are asked for whole, as libvirt has it."""
    if given != needed:
        raise senseless(f"nparams in {function} must be {words}{needed}", ErrorDomain.NONE)


def last_cell(first: int, count: int) -> int:
    """The last of so many cells of the host; raises InternalError where the first is none."""
    last = memory.nodes()[-1]
    if first > last:
        raise InternalError(f"start cell {first} out of range (0-{last})")
    return min(last, first + count - 1)


def _free_bytes(node: int) -> int:
    """Free memory of a cell; 0 where numbers have gaps and there is none."""
    return _statistics(node).get("free", 0) * 1024


def _statistics(node: int) -> dict[str, int]:
    try:
        return memory.node_statistics(node)
    except OSError as exc:
        raise system_failure(f"cannot read the memory of cell {node}", exc) from exc


@lru_cache(maxsize=1)
def _shape(online: tuple[int, ...], present: int) -> tuple[int, int, int, int]:
    """Nodes, sockets, cores and threads; processors keep their places until some come or go."""
    topology = read_topology()
    sockets, dies, cores, threads = topology.shape
    nodes = len(topology.cells)
    if nodes * sockets * dies * cores * threads != present:
        # A host of unequal parts has no such numbers; libvirt tells one flat socket.
        return 1, 1, present, 1
    return nodes, sockets, dies * cores, threads


def _pages(cell: int, size_kib: int) -> int:
    try:
        count = memory.free_pages(size_kib, None if cell == -1 else cell)
    except OSError as exc:
        raise system_failure(f"cannot read the free pages of cell {cell}", exc) from exc
    if count is None:
        place = "" if cell == -1 else f" on node {cell}"
        raise OperationFailed(f"page size {size_kib} is not available{place}")
    return count
