# SPDX-License-Identifier: Apache-2.0
"""What a connection tells of its host and its hypervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virloom.client.link import Link
from virloom.client.params import ParamsToSet, ParamValue, decode, encode, fetch, member
from virloom.client.value import Value
from virloom.enums.host import CPUCompareResult
from virloom.procedures import connect as p
from virloom.procedures.record import VOID, typed_value
from virloom.procedures.types import TypedParam


class NodeInfo(Value):
    """The host's hardware in short."""

    model: str
    memory: int
    """KiB."""
    cpus: int
    mhz: int
    nodes: int
    sockets: int
    cores: int
    threads: int


class CPUMap(Value):
    """The host's processors."""

    present: int
    online: frozenset[int]


class SecurityModel(Value):
    """A security model and its domain of interpretation."""

    model: str
    doi: str


#: Of an identity's parameters those that are no text.
_IDENTITY = [
    TypedParam("process-id", typed_value("llong", 0)),
    TypedParam("process-time", typed_value("ullong", 0)),
    TypedParam("unix-group-id", typed_value("ullong", 0)),
    TypedParam("unix-user-id", typed_value("ullong", 0)),
]


class HostCalls:
    """The part of a connection that is about the host."""

    _link: Link

    async def type(self) -> str:
        """The hypervisor's name, such as ``QEMU``."""
        return (await self._link.call(p.CONNECT_GET_TYPE, VOID)).type

    async def version(self) -> int:
        """The hypervisor's version: major * 1,000,000 + minor * 1,000 + release."""
        return (await self._link.call(p.CONNECT_GET_VERSION, VOID)).hv_ver

    async def lib_version(self) -> int:
        """The version of libvirt's API that the other side serves, counted in the same way."""
        return (await self._link.call(p.CONNECT_GET_LIB_VERSION, VOID)).lib_ver

    async def hostname(self) -> str:
        """The host's name."""
        return (await self._link.call(p.CONNECT_GET_HOSTNAME, VOID)).hostname

    async def driver_uri(self) -> str:
        """The URI as the driver itself calls it."""
        return (await self._link.call(p.CONNECT_GET_URI, VOID)).uri

    async def capabilities(self) -> str:
        """What host and hypervisor can do: the capabilities document."""
        return (await self._link.call(p.CONNECT_GET_CAPABILITIES, VOID)).capabilities

    async def sysinfo(self, flags: int = 0) -> str:
        """What the host's firmware says about it: the sysinfo document."""
        args = p.ConnectGetSysinfoArgs(flags)
        return (await self._link.call(p.CONNECT_GET_SYSINFO, args)).sysinfo

    async def max_vcpus(self, type: str | None = None) -> int:
        """How many processors a guest may have."""
        args = p.ConnectGetMaxVcpusArgs(type)
        return (await self._link.call(p.CONNECT_GET_MAX_VCPUS, args)).max_vcpus

    async def supports_feature(self, feature: int) -> bool:
        """Whether the other side has a feature of libvirt's private list."""
        args = p.ConnectSupportsFeatureArgs(feature)
        return bool((await self._link.call(p.CONNECT_SUPPORTS_FEATURE, args)).supported)

    async def is_secure(self) -> bool:
        """Whether nobody can listen in: within a process, over a socket of the host, or by TLS."""
        return bool((await self._link.call(p.CONNECT_IS_SECURE, VOID)).secure)

    async def cpu_model_names(self, arch: str) -> list[str]:
        """The names of processor models for *arch*."""
        args = p.ConnectGetCPUModelNamesArgs(arch, 1)
        return (await self._link.call(p.CONNECT_GET_CPU_MODEL_NAMES, args)).models

    async def compare_cpu(self, document: str, flags: int = 0) -> CPUCompareResult | int:
        """How a processor compares with the host's."""
        args = p.ConnectCompareCPUArgs(document, flags)
        return member(CPUCompareResult, (await self._link.call(p.CONNECT_COMPARE_CPU, args)).result)

    async def baseline_cpu(self, documents: Sequence[str], flags: int = 0) -> str:
        """The processor that all of these can be."""
        args = p.ConnectBaselineCPUArgs(list(documents), flags)
        return (await self._link.call(p.CONNECT_BASELINE_CPU, args)).cpu

    async def compare_hypervisor_cpu(
        self,
        document: str,
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virttype: str | None = None,
        flags: int = 0,
    ) -> CPUCompareResult | int:
        """How a processor compares with what the hypervisor can offer on this host."""
        args = p.ConnectCompareHypervisorCPUArgs(emulator, arch, machine, virttype, document, flags)
        ret = await self._link.call(p.CONNECT_COMPARE_HYPERVISOR_CPU, args)
        return member(CPUCompareResult, ret.result)

    async def baseline_hypervisor_cpu(
        self,
        documents: Sequence[str],
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virttype: str | None = None,
        flags: int = 0,
    ) -> str:
        """The processor that all of these can be, as far as the hypervisor can offer it."""
        args = p.ConnectBaselineHypervisorCPUArgs(
            emulator, arch, machine, virttype, list(documents), flags
        )
        return (await self._link.call(p.CONNECT_BASELINE_HYPERVISOR_CPU, args)).cpu

    async def security_model(self) -> SecurityModel:
        """The host's first security model; empty names where it has none."""
        ret = await self._link.call(p.NODE_GET_SECURITY_MODEL, VOID)
        return SecurityModel(_text(ret.model), _text(ret.doi))

    async def set_identity(self, values: ParamsToSet, flags: int = 0) -> None:
        """Speaks for somebody else from here on, by libvirt's names such as ``unix-user-id``.

        Raises:
            AccessDenied: One may not.
        """
        args = p.ConnectSetIdentityArgs(encode(values, _IDENTITY), flags)
        await self._link.call(p.CONNECT_SET_IDENTITY, args)

    async def node_info(self) -> NodeInfo:
        """The host's hardware in short."""
        ret = await self._link.call(p.NODE_GET_INFO, VOID)
        model = ret.model.rstrip(b"\0").decode()
        return NodeInfo(
            model, ret.memory, ret.cpus, ret.mhz, ret.nodes, ret.sockets, ret.cores, ret.threads
        )

    async def node_free_memory(self) -> int:
        """Free memory of the host in bytes."""
        return (await self._link.call(p.NODE_GET_FREE_MEMORY, VOID)).free_mem

    async def node_cells_free_memory(self, start: int, count: int) -> list[int]:
        """Free memory of NUMA cells in bytes."""
        args = p.NodeGetCellsFreeMemoryArgs(start, count)
        return (await self._link.call(p.NODE_GET_CELLS_FREE_MEMORY, args)).cells

    async def node_cpu_map(self) -> CPUMap:
        """How many processors the host has, and which are online."""
        ret = await self._link.call(p.NODE_GET_CPU_MAP, p.NodeGetCPUMapArgs(1, 1))
        return CPUMap(ret.ret, processors(ret.cpumap))

    async def node_cpu_stats(self, cpu: int = -1) -> dict[str, int]:
        """Time of one processor, or of all (-1), in nanoseconds by kind."""
        params = await fetch(
            lambda n: self._link.call(p.NODE_GET_CPU_STATS, p.NodeGetCPUStatsArgs(cpu, n))
        )
        return {one.field: one.value for one in params}

    async def node_memory_stats(self, cell: int = -1, flags: int = 0) -> dict[str, int]:
        """Memory of one NUMA cell, or of all (-1), in KiB by kind."""
        params = await fetch(
            lambda n: self._link.call(
                p.NODE_GET_MEMORY_STATS, p.NodeGetMemoryStatsArgs(n, cell, flags)
            )
        )
        return {one.field: one.value for one in params}

    async def node_free_pages(
        self, sizes: Sequence[int], start: int = 0, count: int = 1, flags: int = 0
    ) -> list[dict[int, int]]:
        """Free pages by their size in KiB, per NUMA cell from *start* on."""
        args = p.NodeGetFreePagesArgs(list(sizes), start, count, flags)
        counts = (await self._link.call(p.NODE_GET_FREE_PAGES, args)).counts
        step = len(sizes)
        return [
            dict(zip(sizes, counts[at : at + step], strict=True))
            for at in range(0, len(counts), step or 1)
        ]

    async def node_alloc_pages(
        self, pages: Mapping[int, int], start: int = 0, count: int = 1, flags: int = 0
    ) -> int:
        """Has the host set aside pages, a count by size in KiB; how many pools were changed.

        Args:
            pages: Size in KiB → count.
            start: The first NUMA cell.
            count: How many cells.
            flags: :class:`~virloom.enums.host.NodeAllocPagesFlags`.
        """
        args = p.NodeAllocPagesArgs(list(pages), list(pages.values()), start, count, flags)
        return (await self._link.call(p.NODE_ALLOC_PAGES, args)).ret

    async def node_suspend(self, target: int, duration: int, flags: int = 0) -> None:
        """Has the host sleep for *duration* seconds (NodeSuspendTarget)."""
        args = p.NodeSuspendForDurationArgs(target, duration, flags)
        await self._link.call(p.NODE_SUSPEND_FOR_DURATION, args)

    async def node_sev_info(self, flags: int = 0) -> dict[str, ParamValue]:
        """What the host's AMD SEV has: certificates, how many guests."""
        params = await fetch(
            lambda n: self._link.call(p.NODE_GET_SEV_INFO, p.NodeGetSevInfoArgs(n, flags))
        )
        return decode(params)

    async def set_node_memory_parameters(self, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of :meth:`node_memory_parameters`."""
        params = await fetch(
            lambda n: self._link.call(
                p.NODE_GET_MEMORY_PARAMETERS, p.NodeGetMemoryParametersArgs(n)
            )
        )
        args = p.NodeSetMemoryParametersArgs(encode(values, params), flags)
        await self._link.call(p.NODE_SET_MEMORY_PARAMETERS, args)

    async def node_memory_parameters(self) -> dict[str, ParamValue]:
        """Tuning of the host's memory."""
        params = await fetch(
            lambda n: self._link.call(
                p.NODE_GET_MEMORY_PARAMETERS, p.NodeGetMemoryParametersArgs(n)
            )
        )
        return decode(params)


def _text(characters: bytes) -> str:
    return characters.split(b"\0", 1)[0].decode(errors="replace")


def processors(bitmap: bytes) -> frozenset[int]:
    """The numbers of the bits set in a CPU map: bit 0 of byte 0 is processor 0."""
    return frozenset(
        8 * place + bit for place, byte in enumerate(bitmap) for bit in range(8) if byte >> bit & 1
    )


def bitmap_of(numbers: Sequence[int] | frozenset[int]) -> bytes:
    """The CPU map of these processors, as short as it can be."""
    bits = bytearray(max(numbers, default=-1) // 8 + 1)
    for number in numbers:
        bits[number // 8] |= 1 << number % 8
    return bytes(bits)
