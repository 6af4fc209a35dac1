# SPDX-License-Identifier: Apache-2.0
"""The connection and the host."""

from __future__ import annotations

from typing import Any

import libvirt
from steps import Steps

CPU = """
<cpu match='exact'><model>{model}</model><topology sockets='1' cores='1' threads='1'/>
{features}</cpu>
"""
HOST_CPU = "<cpu><arch>x86_64</arch><model>{model}</model>{features}</cpu>"


def session(s: Steps, conn: Any, directory: str) -> None:
    s("ConnectOpen", libvirt.open, "test:///")
    s("ConnectOpen", libvirt.open, "test:///none/such.xml")
    s("ConnectOpen", libvirt.open, "test://host/default")
    s("ConnectGetType", conn.getType)
    s("ConnectGetVersion", conn.getVersion)
    s("ConnectGetLibVersion", conn.getLibVersion)
    s("ConnectGetHostname", conn.getHostname)
    s("ConnectGetURI", conn.getURI)
    s("ConnectIsAlive", conn.isAlive)
    s("ConnectIsEncrypted", conn.isEncrypted)
    s("ConnectIsSecure", conn.isSecure)
    s("ConnectGetMaxVcpus", conn.getMaxVcpus, None)
    s("ConnectGetMaxVcpus", conn.getMaxVcpus, "test")
    s("ConnectGetMaxVcpus", conn.getMaxVcpus, "none")
    s("ConnectGetCapabilities", conn.getCapabilities)
    s("ConnectGetSysinfo", conn.getSysinfo)
    s("ConnectGetSysinfo", conn.getSysinfo, 1)
    node(s, conn)
    processors(s, conn)
    unserved(s, conn)
    openings(s, conn)


def node(s: Steps, conn: Any) -> None:
    s("NodeGetInfo", conn.getInfo)
    s("NodeGetFreeMemory", conn.getFreeMemory)
    s("NodeGetCellsFreeMemory", conn.getCellsFreeMemory, 0, 2)
    s("NodeGetCellsFreeMemory", conn.getCellsFreeMemory, 1, 4)
    s("NodeGetCellsFreeMemory", conn.getCellsFreeMemory, 2, 1)
    s("NodeGetCellsFreeMemory", conn.getCellsFreeMemory, -1, 1)
    s("NodeGetCPUMap", conn.getCPUMap)
    s("NodeGetCPUMap", conn.getCPUMap, 1)
    s("NodeGetCPUStats", conn.getCPUStats, -1)
    s("NodeGetCPUStats", conn.getCPUStats, 1)
    s("NodeGetCPUStats", conn.getCPUStats, 99)
    s("NodeGetCPUStats", conn.getCPUStats, -1, 1)
    s("NodeGetFreePages", conn.getFreePages, [4, 2048], 0, 2)
    s("NodeGetFreePages", conn.getFreePages, [4], 0, 1, 1)
    s("NodeGetFreePages", conn.getFreePages, [4, 8], 5, 2)
    s("NodeGetFreePages", conn.getFreePages, [8], -1, 1)
    s("NodeGetFreePages", conn.getFreePages, [16], 0, 1)
    s("NodeGetSecurityModel", conn.getSecurityModel)


def processors(s: Steps, conn: Any) -> None:
    s("ConnectGetCPUModelNames", conn.getCPUModelNames, "x86_64")
    s("ConnectGetCPUModelNames", conn.getCPUModelNames, "i686")
    s("ConnectGetCPUModelNames", conn.getCPUModelNames, "none")
    s("ConnectGetCPUModelNames", conn.getCPUModelNames, "x86_64", 1)
    cpus = [HOST_CPU.format(model=name, features="") for name in ("Nehalem", "Penryn")]
    s("ConnectBaselineCPU", conn.baselineCPU, cpus)
    s("ConnectBaselineCPU", conn.baselineCPU, cpus, 1)
    s("ConnectBaselineCPU", conn.baselineCPU, cpus, 2)
    s("ConnectBaselineCPU", conn.baselineCPU, cpus, 4)
    s("ConnectBaselineCPU", conn.baselineCPU, ["<cpu/>"])
    s("ConnectBaselineCPU", conn.baselineCPU, [])
    s("ConnectBaselineCPU", conn.baselineCPU, ["<cpu>"])


def unserved(s: Steps, conn: Any) -> None:
    """What the driver has not."""
    s("not served", conn.compareCPU, "<cpu/>")
    s("not served", conn.getMemoryStats, -1)
    s("not served", conn.getMemoryParameters)
    s("not served", conn.getDomainCapabilities)
    s("not served", conn.suspendForDuration, 0, 60)
    s("not served", conn.domainXMLFromNative, "qemu-argv", "x")
    s("not served", conn.listSecrets)
    s("not served", conn.numOfSecrets)
    s("not served", conn.listNWFilters)
    s("not served", conn.allocPages, {4: 1}, 0, 1)
    s("not served", conn.getStoragePoolCapabilities)


def openings(s: Steps, conn: Any) -> None:
    s("ConnectClose", libvirt.open("test:///default").close)
    other = libvirt.open("test:///default")
    s("ConnectOpen", lambda: [one.name() for one in other.listAllDomains()])
    readonly = libvirt.openReadOnly("test:///default")
    s("read-only", lambda: readonly.lookupByName("test").suspend())
    s("read-only", lambda: readonly.lookupByName("test").XMLDesc())
    s("read-only", lambda: readonly.lookupByName("test").XMLDesc(1))
    s("read-only", readonly.networkCreateXML, "<network/>")
