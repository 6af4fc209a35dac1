# SPDX-License-Identifier: Apache-2.0
"""The host: its processors, its memory, its capabilities."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.cpu_documents import cpu_document, parse_cpus
from virloom.drivers.qemu.capabilities.cpu_model import baseline, expanded, plain
from virloom.drivers.test import host
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.cpu_names import cpu_names
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.host import ConnectBaselineCPUFlags
from virloom.errors import InvalidArg, XmlError
from virloom.procedures import connect as p
from virloom.procedures.record import Void

#: Which of the first eight processors are on line.
_ONLINE = (0, 2, 4)
_CPU_MAP_LENGTH = 8


class Host:
    """Handlers of the host."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_GET_CAPABILITIES)
    def capabilities(self, call: Call, args: Void) -> p.ConnectGetCapabilitiesRet:
        return p.ConnectGetCapabilitiesRet(host.capabilities(self._driver.host.cells))

    @serves(p.CONNECT_GET_SYSINFO)
    def sysinfo(self, call: Call, args: p.ConnectGetSysinfoArgs) -> p.ConnectGetSysinfoRet:
        check_flags(call, args.flags)
        return p.ConnectGetSysinfoRet(host.SYSINFO)

    @serves(p.NODE_GET_INFO)
    def node_info(self, call: Call, args: Void) -> p.NodeGetInfoRet:
        facts = self._driver.host
        model = facts.model.encode().ljust(32, b"\0")
        return p.NodeGetInfoRet(
            model, facts.memory, facts.cpus, facts.mhz, facts.nodes, facts.sockets,
            facts.cores, facts.threads,
        )  # fmt: skip

    @serves(p.NODE_GET_SECURITY_MODEL)
    def security_model(self, call: Call, args: Void) -> p.NodeGetSecurityModelRet:
        return p.NodeGetSecurityModelRet(host.SECURITY_MODEL.encode() + b"\0", b"\0")

    # -- processors ----------------------------------------------------------------------------

    @serves(p.NODE_GET_CPU_MAP)
    def cpu_map(self, call: Call, args: p.NodeGetCPUMapArgs) -> p.NodeGetCPUMapRet:
        check_flags(call, args.flags)
        bits = sum(1 << cpu for cpu in _ONLINE)
        wanted = bytes([bits]) if args.need_map else b""
        online = len(_ONLINE) if args.need_online else 0
        return p.NodeGetCPUMapRet(wanted, online, _CPU_MAP_LENGTH)

    @serves(p.NODE_GET_CPU_STATS)
    def cpu_stats(self, call: Call, args: p.NodeGetCPUStatsArgs) -> p.NodeGetCPUStatsRet:
        """The same of each processor as of all."""
        check_flags(call, args.flags)
        if args.nparams == 0:
            return p.NodeGetCPUStatsRet([], len(host.CPU_TIMES))
        if args.nparams < len(host.CPU_TIMES):
            raise InvalidArg(f"Invalid parameter count {args.nparams}", domain=ErrorDomain.TEST)
        times = [p.NodeGetCPUStats(name, value) for name, value in host.CPU_TIMES.items()]
        return p.NodeGetCPUStatsRet(times, len(times))

    @serves(p.CONNECT_GET_CPU_MODEL_NAMES)
    def cpu_model_names(
        self, call: Call, args: p.ConnectGetCPUModelNamesArgs
    ) -> p.ConnectGetCPUModelNamesRet:
        check_flags(call, args.flags)
        names = cpu_names(args.arch)
        return p.ConnectGetCPUModelNamesRet(names if args.need_results else [], len(names))

    @serves(p.CONNECT_BASELINE_CPU)
    def baseline_cpu(self, call: Call, args: p.ConnectBaselineCPUArgs) -> p.ConnectBaselineCPURet:
        expand = int(ConnectBaselineCPUFlags.EXPAND_FEATURES)
        check_flags(call, args.flags, expand)
        cpus = parse_cpus(args.xml_cp_us)
        if any(cpu.match is None and cpu.arch is None for cpu in cpus):
            raise XmlError("Missing CPU architecture", domain=ErrorDomain.CPU)
        found, vendor = baseline(cpus)
        features = expanded(found) if args.flags & expand else plain(found)
        return p.ConnectBaselineCPURet(cpu_document(found.model, "allow", vendor, features))

    # -- memory --------------------------------------------------------------------------------

    @serves(p.NODE_GET_FREE_MEMORY)
    def free_memory(self, call: Call, args: Void) -> p.NodeGetFreeMemoryRet:
        """Half of the cells' memory, in KiB where bytes are meant, as libvirt has it."""
        return p.NodeGetFreeMemoryRet(sum(cell.memory for cell in self._driver.host.cells) // 2)

    @serves(p.NODE_GET_CELLS_FREE_MEMORY)
    def cells_free_memory(
        self, call: Call, args: p.NodeGetCellsFreeMemoryArgs
    ) -> p.NodeGetCellsFreeMemoryRet:
        known = self._driver.host.cells
        if not 0 <= args.start_cell < len(known):
            raise InvalidArg("Range exceeds available cells", domain=ErrorDomain.TEST)
        cells = known[args.start_cell : args.start_cell + args.maxcells]
        return p.NodeGetCellsFreeMemoryRet([cell.memory for cell in cells])

    @serves(p.NODE_GET_FREE_PAGES)
    def free_pages(self, call: Call, args: p.NodeGetFreePagesArgs) -> p.NodeGetFreePagesRet:
        check_flags(call, args.flags)
        return p.NodeGetFreePagesRet([])
