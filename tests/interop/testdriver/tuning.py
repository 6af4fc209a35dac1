# SPDX-License-Identifier: Apache-2.0
"""What of a domain can be read and set: memory, processors, and limits of all kinds."""

from __future__ import annotations

from typing import Any

from steps import Steps

DOMAIN = """
<domain type='test'><name>tuned</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-012345678a01</uuid>
<memory unit='MiB'>64</memory><vcpu current='2'>4</vcpu><iothreads>2</iothreads>
<os><type>hvm</type></os><devices>
<disk type='file'><source file='/x'/><target dev='vda'/></disk>
<disk type='file'><source file='/y'/><target dev='vdb'/></disk>
<interface type='user'><mac address='52:54:00:11:22:33'/></interface></devices></domain>
"""


def session(s: Steps, conn: Any, directory: str) -> None:
    for event in (0, 13, 17):
        conn.domainEventRegisterAny(None, event, s.listen(f"domain {event}"), None)
    dom = conn.defineXML(DOMAIN)
    for state in ("off", "on"):
        if state == "on":
            dom.create()
        memory(s, dom)
        vcpus(s, conn, dom)
        pins(s, dom)
        numbers(s, dom)
        blocks(s, dom)
        interfaces(s, dom)
        threads(s, dom)
        s("DomainGetXMLDesc", dom.XMLDesc)
        s("DomainGetXMLDesc", dom.XMLDesc, 2)
    dom.undefine()
    for flags in (0, 2, 3):
        s("DomainGetMemoryParameters", dom.memoryParameters, flags)
        s("DomainSetMemoryParameters", dom.setMemoryParameters, {"hard_limit": 4096}, flags)
        s("DomainSetVcpusFlags", dom.setVcpusFlags, 1, flags)
        s("DomainSetPerfEvents", dom.setPerfEvents, {"cmt": True}, flags)
    s.heard("tuning")


def memory(s: Steps, dom: Any) -> None:
    s("DomainGetMaxMemory", dom.maxMemory)
    s("DomainMemoryStats", dom.memoryStats)
    for period in (0, 5, -1):
        for flags in (0, 1, 2, 4):
            s("DomainSetMemoryStatsPeriod", dom.setMemoryStatsPeriod, period, flags)
    s("DomainSetMemory", dom.setMemory, 32768)
    s("DomainSetMemory", dom.setMemory, 999999)
    s("DomainSetMemory", dom.setMemory, 0)
    for flags in (0, 1, 2, 3, 4, 5, 6, 8):
        s("DomainSetMemoryFlags", dom.setMemoryFlags, 32768 + flags, flags)
        s("DomainSetMemoryFlags", dom.setMemoryFlags, 999999 + flags, flags)
        s("DomainGetXMLDesc", dom.XMLDesc)
        s("DomainGetXMLDesc", dom.XMLDesc, 2)
    s("DomainSetMaxMemory", dom.setMaxMemory, 65536)
    s("DomainSetMaxMemory", dom.setMaxMemory, 0)
    s("DomainGetMaxMemory", dom.maxMemory)
    s("DomainMemoryPeek", dom.memoryPeek, 0, 16, 1)
    s("DomainMemoryPeek", dom.memoryPeek, 0, 16, 2)
    s("DomainMemoryPeek", dom.memoryPeek, 0, 16, 4)
    s("DomainMemoryPeek", dom.memoryPeek, 5, 70000, 2)


def vcpus(s: Steps, conn: Any, dom: Any) -> None:
    s("DomainGetMaxVcpus", dom.maxVcpus)
    for flags in (0, 1, 2, 3, 4, 5, 6, 8, 9, 16):
        s("DomainGetVcpusFlags", dom.vcpusFlags, flags)
    for count in (3, 4, 5, 0):
        s("DomainSetVcpus", dom.setVcpus, count)
        for flags in (0, 1, 2, 3, 4, 6, 8, 9, 16, 32):
            s("DomainSetVcpusFlags", dom.setVcpusFlags, count, flags)
            s("DomainGetVcpusFlags", dom.vcpusFlags, 0)
    s("DomainSetVcpusFlags", dom.setVcpusFlags, 6, 6)
    s("DomainSetVcpusFlags", dom.setVcpusFlags, 4, 6)
    s("DomainSetVcpusFlags", dom.setVcpusFlags, 2, 2)
    s("DomainSetVcpus", dom.setVcpus, 2)
    s("DomainGetVcpus", lambda: [[[c[0], c[1], c[3]] for c in dom.vcpus()[0]], dom.vcpus()[1]])
    s("DomainGetCPUStats", dom.getCPUStats, True)
    s("DomainGetCPUStats", dom.getCPUStats, False)
    s("DomainGetCPUStats", dom.getCPUStats, True, 1)


def pins(s: Steps, dom: Any) -> None:
    cpus = (True, False, True)
    none = (False,) * 16
    s("DomainPinVcpu", dom.pinVcpu, 0, cpus)
    s("DomainPinVcpu", dom.pinVcpu, 9, cpus)
    s("DomainPinVcpu", dom.pinVcpu, 0, none)
    s("DomainPinEmulator", dom.pinEmulator, cpus)
    for flags in (0, 1, 2, 3, 4):
        s("DomainPinVcpuFlags", dom.pinVcpuFlags, 1, cpus, flags)
        s("DomainPinVcpuFlags", dom.pinVcpuFlags, 9, cpus, flags)
        s("DomainGetVcpuPinInfo", dom.vcpuPinInfo, flags)
        s("DomainPinEmulator", dom.pinEmulator, cpus, flags)
        s("DomainPinEmulator", dom.pinEmulator, none, flags)
        s("DomainGetEmulatorPinInfo", dom.emulatorPinInfo, flags)
        s("DomainPinIOThread", dom.pinIOThread, 1, cpus, flags)
        s("DomainPinIOThread", dom.pinIOThread, 9, cpus, flags)
        s("DomainPinIOThread", dom.pinIOThread, 1, none, flags)
    s("DomainGetXMLDesc", dom.XMLDesc)


def numbers(s: Steps, dom: Any) -> None:
    """Parameters by name."""
    s("DomainGetSchedulerType", dom.schedulerType)
    s("DomainGetSchedulerParameters", dom.schedulerParameters)
    s("DomainSetSchedulerParameters", dom.setSchedulerParameters, {"weight": 60})
    for flags in (0, 1, 2, 3, 4):
        s("DomainGetSchedulerParametersFlags", dom.schedulerParametersFlags, flags)
        s("DomainSetSchedulerParametersFlags", dom.setSchedulerParametersFlags, {"weight": 7},
          flags)  # fmt: skip
    s("DomainSetSchedulerParameters", dom.setSchedulerParameters, {"none": 5})
    kinds: tuple[tuple[str, Any, Any, tuple[dict[str, Any], ...]], ...] = (
        ("MemoryParameters", dom.memoryParameters, dom.setMemoryParameters, (
            {"hard_limit": 90000, "soft_limit": 80000, "swap_hard_limit": 95000},
            {"hard_limit": 99999}, {"none": 1}, {"swap_hard_limit": 5}, {"hard_limit": "x"},
            {}, {"hard_limit": -1}, {"hard_limit": 2**70}, {"hard_limit": 1.5})),
        ("BlkioParameters", dom.blkioParameters, dom.setBlkioParameters, (
            {"weight": 500}, {"weight": 5}, {"weight": 5000}, {"none": 1},
            {"device_weight": "/dev/sda,400"}, {"device_weight": "nonsense"},
            {"device_read_bytes_sec": "/dev/sda,400", "device_write_iops_sec": "/dev/sdb,7"},
            {"device_weight": "/dev/sda,0"}, {"weight": -1}, {"weight": 2**32}, {})),
        ("NumaParameters", dom.numaParameters, dom.setNumaParameters, (
            {"numa_nodeset": "0-1"}, {"numa_mode": 0, "numa_nodeset": "0"}, {"numa_mode": 1},
            {"numa_nodeset": "nonsense"}, {"numa_mode": 99}, {"none": 1},
            {"numa_nodeset": ""})),
        ("PerfEvents", dom.perfEvents, dom.setPerfEvents, (
            {"cmt": True, "mbmt": False}, {"none": True}, {"cmt": False})),
    )  # fmt: skip
    for name, read, write, values in kinds:
        for flags in (0, 1, 2, 3, 4):
            for value in values:
                s(f"DomainSet{name}", write, value, flags)
            s(f"DomainGet{name}", read, flags)
        s("DomainGetXMLDesc", dom.XMLDesc)


def blocks(s: Steps, dom: Any) -> None:
    for disk in ("vda", "none", "", "/x"):
        s("DomainBlockStats", lambda disk=disk: len(dom.blockStats(disk)))
        for flags in (0, 1):
            s("DomainGetBlockInfo", dom.blockInfo, disk, flags)
        for flags in (0, 1, 2, 3, 4):
            for value in (
                {"total_bytes_sec": 1000}, {"read_iops_sec": 5, "write_iops_sec": 6}, {"none": 1},
                {"total_bytes_sec": 10, "read_bytes_sec": 5}, {"group_name": "g"},
                {"total_bytes_sec_max": 20000, "total_bytes_sec": 1000, "size_iops_sec": 3},
                {"total_bytes_sec": 1000, "total_bytes_sec_max_length": 5},
                {"total_bytes_sec": 1000, "total_bytes_sec_max": 5},
                {"read_bytes_sec_max": 9}, {"total_bytes_sec": -1}, {},
            ):  # fmt: skip
                s("DomainSetBlockIoTune", dom.setBlockIoTune, disk, value, flags)
                s("DomainGetBlockIoTune", dom.blockIoTune, disk, flags)
    s("DomainGetDiskErrors", dom.diskErrors)
    s("DomainGetDiskErrors", dom.diskErrors, 1)


def interfaces(s: Steps, dom: Any) -> None:
    for name in ("testnet0", "52:54:00:11:22:33", "none"):
        s("DomainInterfaceStats", lambda name=name: len(dom.interfaceStats(name)))
        for flags in (0, 1, 2, 3, 4):
            for value in (
                {"inbound.average": 100, "inbound.peak": 200, "inbound.burst": 50},
                {"outbound.average": 7}, {"none": 1}, {"inbound.floor": 5}, {"inbound.peak": 9},
                {"inbound.average": 0},
            ):  # fmt: skip
                s("DomainSetInterfaceParameters", dom.setInterfaceParameters, name, value, flags)
                s("DomainGetInterfaceParameters", dom.interfaceParameters, name, flags)
    for source in (0, 1, 2, 9):
        s("DomainInterfaceAddresses", dom.interfaceAddresses, source)
    s("DomainInterfaceAddresses", dom.interfaceAddresses, 0, 1)


def threads(s: Steps, dom: Any) -> None:
    for flags in (0, 1, 2, 3, 4):
        s("DomainGetIOThreadInfo", dom.ioThreadInfo, flags)
        for number in (1, 5, 0):
            s("DomainAddIOThread", dom.addIOThread, number, flags)
        for value in (
            {"poll_max_ns": 5, "poll_grow": 6, "poll_shrink": 7}, {"poll_max_ns": 1 << 40},
            {"none": 1}, {"thread_pool_min": 1}, {},
        ):  # fmt: skip
            s("DomainSetIOThreadParams", dom.setIOThreadParams, 5, value, flags)
            s("DomainSetIOThreadParams", dom.setIOThreadParams, 77, value, flags)
            s("DomainSetIOThreadParams", dom.setIOThreadParams, 0, value, flags)
        s("DomainGetIOThreadInfo", dom.ioThreadInfo, flags)
        s("DomainDelIOThread", dom.delIOThread, 5, flags)
        s("DomainDelIOThread", dom.delIOThread, 77, flags)
        s("DomainDelIOThread", dom.delIOThread, 0, flags)
