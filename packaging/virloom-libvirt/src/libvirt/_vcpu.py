# SPDX-License-Identifier: Apache-2.0
"""CPU maps of ``virDomain``: tuples of booleans here, bytes on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libvirt._invoke import call, invoke, params_of

Bools = tuple[bool, ...]


def _host_cpus(self: Any) -> int:
    """How many CPUs a map must tell of."""
    return int(self._conn.getCPUMap(0)[0])


def _bools(data: bytes, cpus: int) -> Bools:
    return tuple(
        bool(cpu // 8 < len(data) and data[cpu // 8] >> cpu % 8 & 1) for cpu in range(cpus)
    )


def _bytes(cpumap: Sequence[bool], cpus: int) -> bytes:
    """The map as bytes; CPUs that it does not tell of are off.

    Raises:
        TypeError: It is not a tuple of booleans.
    """
    if not isinstance(cpumap, tuple):
        raise TypeError("Unexpected type, tuple is required")
    if not all(isinstance(bit, bool) for bit in cpumap):
        raise TypeError("Unexpected element type in a CPU map, bool is required")
    data = bytearray((cpus + 7) // 8)
    for cpu, bit in enumerate(cpumap[:cpus]):
        data[cpu // 8] |= bit << cpu % 8
    return bytes(data)


def _maps(data: bytes, number: int, length: int, cpus: int) -> list[Bools]:
    return [_bools(data[n * length : (n + 1) * length], cpus) for n in range(number)]


def vcpus(self: Any) -> tuple[list[tuple[int, int, int, int]], list[Bools]]:
    """(number, state, CPU time, CPU) of each vCPU, and where each may run."""
    cpus = _host_cpus(self)
    length = (cpus + 7) // 8
    number = invoke(self, "virDomainGetInfo").nr_virt_cpu
    r = invoke(self, "virDomainGetVcpus", number, length)
    rows = [(one.number, one.state, one.cpu_time, one.cpu) for one in r.info]
    return rows, _maps(r.cpumaps, len(rows), length, cpus)


def vcpuPinInfo(self: Any, flags: int = 0) -> list[Bools]:
    """Where each vCPU may run."""
    cpus = _host_cpus(self)
    length = (cpus + 7) // 8
    number = self.vcpusFlags(flags | 4)  # the maximum, of the configuration that is asked for
    r = invoke(self, "virDomainGetVcpuPinInfo", number, length, flags)
    return _maps(r.cpumaps, r.num, length, cpus)


def emulatorPinInfo(self: Any, flags: int = 0) -> Bools:
    """Where the emulator's own threads may run."""
    cpus = _host_cpus(self)
    r = invoke(self, "virDomainGetEmulatorPinInfo", (cpus + 7) // 8, flags)
    return _bools(r.cpumaps, cpus)


def ioThreadInfo(self: Any, flags: int = 0) -> list[tuple[int, list[bool]]]:
    """The I/O threads, and where each may run."""
    cpus = _host_cpus(self)
    rows = invoke(self, "virDomainGetIOThreadInfo", flags).info
    return [(row.iothread_id, list(_bools(row.cpumap, cpus))) for row in rows]


def pinVcpu(self: Any, vcpu: int, cpumap: Sequence[bool]) -> int:
    """Says where a vCPU may run."""
    return int(call(self, "virDomainPinVcpu", vcpu, _bytes(cpumap, _host_cpus(self))))


def pinVcpuFlags(self: Any, vcpu: int, cpumap: Sequence[bool], flags: int = 0) -> int:
    """The same, with flags."""
    return int(call(self, "virDomainPinVcpuFlags", vcpu, _bytes(cpumap, _host_cpus(self)), flags))


def pinEmulator(self: Any, cpumap: Sequence[bool], flags: int = 0) -> int:
    """Says where the emulator's own threads may run."""
    return int(call(self, "virDomainPinEmulator", _bytes(cpumap, _host_cpus(self)), flags))


def pinIOThread(self: Any, iothread_val: int, cpumap: Sequence[bool], flags: int = 0) -> int:
    """Says where an I/O thread may run."""
    data = _bytes(cpumap, _host_cpus(self))
    return int(call(self, "virDomainPinIOThread", iothread_val, data, flags))


def getCPUStats(self: Any, total: bool, flags: int = 0) -> list[dict[str, Any]]:
    """CPU times: of the whole domain as the only element, or of each host CPU."""
    if total:
        number = invoke(self, "virDomainGetCPUStats", 0, -1, 1, flags).nparams
        r = invoke(self, "virDomainGetCPUStats", number, -1, 1, flags)
        return [params_of(r.params)]
    cpus = invoke(self, "virDomainGetCPUStats", 0, 0, 0, flags).nparams
    number = invoke(self, "virDomainGetCPUStats", 0, 0, 1, flags).nparams
    found: list[dict[str, Any]] = []
    for start in range(0, cpus, 128):  # as many as one reply may hold
        count = min(128, cpus - start)
        r = invoke(self, "virDomainGetCPUStats", number, start, count, flags)
        step = r.nparams or 1
        found += [params_of(r.params[n * step : (n + 1) * step]) for n in range(count)]
    return found
