# SPDX-License-Identifier: Apache-2.0
"""``<blkiotune>``, ``<cputune>`` and ``<numatune>``: the guest's share of the host."""

from __future__ import annotations

from virloom.errors import ConfigUnsupported
from virloom.model.cpuset import NUMBERS
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, group, leaf
from virloom.xml.kinds import (
    INT,
    LONG,
    STRING,
    UINT,
    UINT_POSITIVE,
    ULONG,
    Kind,
    choice,
    lenient,
    option,
)

_WEIGHT: Kind[int | None] = lenient(UINT)
_DEVICE_UINT: Kind[int] = Kind(UINT.parse, str, error=ConfigUnsupported)
_DEVICE_ULONG: Kind[int] = Kind(ULONG.parse, str, error=ConfigUnsupported)
_TIME: Kind[int] = Kind(ULONG.parse, str, owned=True)
_QUOTA: Kind[int] = Kind(LONG.parse, str, owned=True)
_SCHEDULER = choice("batch", "idle", "fifo", "rr")
_MODES = ("strict", "preferred", "interleave", "restrictive")


class BlkioDevice(Element):
    """``<device><path>/dev/sda</path><weight>500</weight>…``."""

    path: str | None = leaf(STRING)
    weight: int | None = leaf(_DEVICE_UINT)
    read_iops_sec: int | None = leaf(_DEVICE_UINT)
    write_iops_sec: int | None = leaf(_DEVICE_UINT)
    read_bytes_sec: int | None = leaf(_DEVICE_ULONG)
    write_bytes_sec: int | None = leaf(_DEVICE_ULONG)


class Blkiotune(Element):
    """``<blkiotune>``: weights and limits on the host's block devices."""

    weight: int | None = leaf(_WEIGHT)
    devices: list[BlkioDevice] = children(BlkioDevice, "device")


class VcpuPin(Element):
    """``<vcpupin vcpu='0' cpuset='1-4,^2'/>``."""

    vcpu: int | None = attribute(UINT, required=True)
    cpuset: str | None = attribute(NUMBERS)


class EmulatorPin(Element):
    """``<emulatorpin cpuset='1-3'/>``."""

    cpuset: str | None = attribute(NUMBERS)


class IoThreadPin(Element):
    """``<iothreadpin iothread='1' cpuset='5,6'/>``."""

    iothread: int | None = attribute(UINT_POSITIVE, required=True)
    cpuset: str | None = attribute(NUMBERS)


class Scheduling(Element):
    """Policy and priority of threads."""

    scheduler: str | None = attribute(_SCHEDULER, required=True, order=1)
    priority: int | None = attribute(INT, order=1)


class EmulatorScheduling(Scheduling):
    """``<emulatorsched scheduler='idle'/>``."""


class VcpuScheduling(Scheduling):
    """``<vcpusched vcpus='0-4,^3' scheduler='fifo' priority='1'/>``."""

    vcpus: str | None = attribute(NUMBERS)


class IoThreadScheduling(Scheduling):
    """``<iothreadsched iothreads='2' scheduler='batch'/>``."""

    iothreads: str | None = attribute(NUMBERS)


class CachePart(Element):
    """``<cache id='0' level='3' type='both' size='3' unit='MiB'/>``: a part of a host's cache."""

    id: int | None = attribute(UINT, required=True)
    level: int | None = attribute(UINT, required=True)
    type: str | None = attribute(choice("both", "code", "data"), required=True)
    size: int | None = attribute(ULONG, required=True)
    unit: str | None = attribute(STRING)


class CacheMonitor(Element):
    """``<monitor level='3' vcpus='0-1'/>``."""

    level: int | None = attribute(UINT, required=True)
    vcpus: str | None = attribute(NUMBERS)


class Cachetune(Element):
    """``<cachetune vcpus='0-3'>``; the id is the group's name in resctrl, given by the host."""

    vcpus: str | None = attribute(NUMBERS)
    id: str | None = attribute(STRING, live=True)
    caches: list[CachePart] = children(CachePart, "cache")
    monitors: list[CacheMonitor] = children(CacheMonitor, "monitor")


class Bandwidth(Element):
    """``<node id='0' bandwidth='60'/>``, in percent or MB/s as the host counts."""

    id: int | None = attribute(UINT, required=True)
    bandwidth: int | None = attribute(UINT, required=True)


class MemoryMonitor(Element):
    """``<monitor vcpus='0'/>``."""

    vcpus: str | None = attribute(NUMBERS)


class Memorytune(Element):
    """``<memorytune vcpus='0-3'>``."""

    vcpus: str | None = attribute(NUMBERS)
    id: str | None = attribute(STRING, live=True)
    nodes: list[Bandwidth] = children(Bandwidth, "node")
    monitors: list[MemoryMonitor] = children(MemoryMonitor, "monitor")


class Cputune(Element):
    """``<cputune>``; periods and quotas in microseconds, a negative quota is no limit."""

    shares: int | None = leaf(_TIME)
    period: int | None = leaf(_TIME)
    quota: int | None = leaf(_QUOTA)
    global_period: int | None = leaf(_TIME)
    global_quota: int | None = leaf(_QUOTA)
    emulator_period: int | None = leaf(_TIME)
    emulator_quota: int | None = leaf(_QUOTA)
    iothread_period: int | None = leaf(_TIME)
    iothread_quota: int | None = leaf(_QUOTA)
    vcpupins: list[VcpuPin] = children(VcpuPin, "vcpupin")
    emulatorpins: list[EmulatorPin] = children(EmulatorPin, "emulatorpin")
    iothreadpins: list[IoThreadPin] = children(IoThreadPin, "iothreadpin")
    emulatorscheds: list[EmulatorScheduling] = children(EmulatorScheduling, "emulatorsched")
    vcpuscheds: list[VcpuScheduling] = children(VcpuScheduling, "vcpusched")
    iothreadscheds: list[IoThreadScheduling] = children(IoThreadScheduling, "iothreadsched")
    cachetunes: list[Cachetune] = children(Cachetune, "cachetune")
    memorytunes: list[Memorytune] = children(Memorytune, "memorytune")


class NumaMemory(Element):
    """``<memory mode='strict' nodeset='1-4,^3'/>``; ``nodeset`` names nodes of the host."""

    mode: str | None = attribute(option(*_MODES))
    nodeset: str | None = attribute(NUMBERS)
    placement: str | None = attribute(option("static", "auto"))


class Memnode(Element):
    """``<memnode cellid='0' mode='strict' nodeset='1'/>``: one node of the guest."""

    cellid: int | None = attribute(UINT, required=True)
    mode: str | None = attribute(choice(*_MODES))
    nodeset: str | None = attribute(NUMBERS)


class Numatune(Element):
    """``<numatune>``."""

    memory: NumaMemory = group(NumaMemory)
    memnodes: list[Memnode] = children(Memnode, "memnode")
