# SPDX-License-Identifier: Apache-2.0
"""Saved states, dumps, and what guests and their agents are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steps import Steps

DOMAIN = """
<domain type='test'><name>{name}</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-012345678b{number:02x}</uuid>
<memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
<disk type='file'><source file='/x'/><target dev='vda'/></disk>
<disk type='file'><source file='/y'/><target dev='vdb'/></disk>{more}</devices></domain>
"""


def document(name: str, number: int, more: str = "") -> str:
    return DOMAIN.format(name=name, number=number, more=more)


def session(s: Steps, conn: Any, directory: str) -> None:
    for event in (0, 1, 5, 13, 22):
        conn.domainEventRegisterAny(None, event, s.listen(f"domain {event}"), None)
    saves(s, conn, directory)
    managed(s, conn)
    dumps(s, conn, directory)
    agent(s, conn)
    statistics(s, conn)
    s.heard("saved")


def saves(s: Steps, conn: Any, directory: str) -> None:
    place = f"{directory}/state"
    other = document("kept", 1, "<video/>")
    dom = conn.defineXML(document("kept", 1))
    s("DomainSave", dom.save, place)
    dom.create()
    for flags in (1, 2, 4, 6, 8):
        s("DomainSaveFlags", dom.saveFlags, place, None, flags)
        if not dom.isActive():
            dom.create()
    s("DomainSaveFlags", dom.saveFlags, place, other, 0)
    s("DomainGetState", dom.state)
    s("DomainSaveFlags", dom.saveFlags, place, None, 0)
    s("DomainCreate", dom.create)
    s("DomainSave", dom.save, "/none/such/place")
    s("DomainGetState", dom.state)
    s("DomainSave", dom.save, place)
    s("DomainGetState", dom.state)
    s("file", lambda: Path(place).read_bytes()[:16])
    for flags in (0, 1, 2, 4):
        s("DomainSaveImageGetXMLDesc", conn.saveImageGetXMLDesc, place, flags)
    s("DomainSaveImageGetXMLDesc", conn.saveImageGetXMLDesc, "/none/such")
    for flags in (0, 1, 2, 4, 6):
        s("DomainSaveImageDefineXML", conn.saveImageDefineXML, place, other, flags)
    s("DomainSaveImageDefineXML", conn.saveImageDefineXML, place, document("renamed", 2))
    s("DomainSaveImageDefineXML", conn.saveImageDefineXML, place, "<domain")
    s("DomainSaveImageDefineXML", conn.saveImageDefineXML, "/none/such", other)
    s("DomainSaveImageGetXMLDesc", conn.saveImageGetXMLDesc, place)
    s("DomainRestore", conn.restore, "/none/such")
    s("DomainRestore", conn.restore, place)
    s("DomainGetState", dom.state)
    s("DomainGetXMLDesc", dom.XMLDesc)
    s("DomainRestore", conn.restore, place)
    s("DomainDestroy", dom.destroy)
    s("DomainUndefine", dom.undefine)
    for flags in (0, 1, 2, 4, 8):
        s("DomainRestoreFlags", conn.restoreFlags, place, None, flags)
        s("DomainRestoreFlags", conn.restoreFlags, place, document("kept", 1), flags)
    s("DomainRestoreFlags", conn.restoreFlags, place, document("renamed", 2), 0)
    Path(place).write_bytes(b"nonsense")
    s("DomainRestore", conn.restore, place)
    s("DomainSaveImageGetXMLDesc", conn.saveImageGetXMLDesc, place)
    s("ConnectListAllDomains", lambda: sorted(one.name() for one in conn.listAllDomains()))
    for one in conn.listAllDomains():
        if one.name() in ("kept", "renamed"):
            s("DomainSave", one.save, place)
    s("ConnectListAllDomains", lambda: sorted(one.name() for one in conn.listAllDomains()))


def managed(s: Steps, conn: Any) -> None:
    dom = conn.defineXML(document("managed", 3))
    s("DomainHasManagedSaveImage", dom.hasManagedSaveImage)
    s("DomainHasManagedSaveImage", dom.hasManagedSaveImage, 1)
    s("DomainManagedSave", dom.managedSave)
    s("DomainManagedSaveRemove", dom.managedSaveRemove)
    s("DomainCreate", dom.create)
    for flags in (8, 6, 1, 2, 4, 0):
        s("DomainManagedSave", dom.managedSave, flags)
        s("DomainHasManagedSaveImage", dom.hasManagedSaveImage)
        s("DomainGetState", dom.state)
        s("ConnectListAllDomains", lambda: sorted(one.name() for one in conn.listAllDomains(256)))
        if flags < 3:
            s("DomainCreate", dom.create)
            s("DomainHasManagedSaveImage", dom.hasManagedSaveImage)
            s("DomainGetState", dom.state)
        elif flags == 4:
            s("DomainManagedSaveRemove", dom.managedSaveRemove, 1)
            s("DomainManagedSaveRemove", dom.managedSaveRemove)
            s("DomainHasManagedSaveImage", dom.hasManagedSaveImage)
            s("DomainCreate", dom.create)
    s("DomainManagedSave", dom.managedSave)
    s("DomainUndefine", dom.undefine)
    s("DomainUndefineFlags", dom.undefineFlags, 1)
    passing = conn.createXML(document("passing", 4))
    s("DomainManagedSave", passing.managedSave)
    s("DomainDestroy", passing.destroy)


def dumps(s: Steps, conn: Any, directory: str) -> None:
    dom = conn.defineXML(document("dumped", 5))
    place = f"{directory}/core"
    s("DomainCoreDump", dom.coreDump, place)
    for flags in (0, 1, 2, 4, 8, 16, 3, 32):
        if not dom.isActive():
            dom.create()
        s("DomainCoreDump", dom.coreDump, place, flags)
        s("DomainGetState", dom.state)
    if not dom.isActive():
        dom.create()
    for kind in (0, 1, 4, 5, 99):
        s("DomainCoreDumpWithFormat", dom.coreDumpWithFormat, place, kind, 0)
    s("DomainCoreDumpWithFormat", dom.coreDumpWithFormat, "/none/such", 0, 0)
    s("file", lambda: Path(place).read_bytes()[:32])
    s("DomainScreenshot", dom.screenshot, conn.newStream(), 0)
    s("DomainScreenshot", dom.screenshot, conn.newStream(), 0, 1)
    screen(s, conn)
    dom.destroy()
    dom.undefine()


def screen(s: Steps, conn: Any) -> None:
    dom = conn.lookupByName("test")
    stream = conn.newStream()
    s("DomainScreenshot", dom.screenshot, stream, 0)
    got: list[bytes] = []
    s("DomainScreenshot", stream.recvAll, lambda _, data, opaque: got.append(data), None)
    s("DomainScreenshot", lambda: b"".join(got)[:16])
    s("DomainScreenshot", stream.finish)


def agent(s: Steps, conn: Any) -> None:
    dom = conn.defineXML(document("asked", 6))
    for state in ("off", "on"):
        if state == "on":
            dom.create()
        for flags in (0, 1):
            s("DomainGetTime", dom.getTime, flags)
            s("DomainSetTime", dom.setTime, {"seconds": 5, "nseconds": 6}, flags)
            s("DomainSetTime", dom.setTime, {"seconds": 5, "nseconds": 1 << 31}, flags)
            s("DomainSetTime", dom.setTime, None, flags)
            s("DomainGetHostname", dom.hostname, flags)
            s("DomainGetFSInfo", dom.fsInfo, flags)
            s("DomainFSFreeze", dom.fsFreeze, ["/"], flags)
            s("DomainFSFreeze", dom.fsFreeze, ["/", "/boot", "/none"], flags)
            s("DomainFSFreeze", dom.fsFreeze, None, flags)
            s("DomainFSThaw", dom.fsThaw, ["/"], flags)
            s("DomainFSThaw", dom.fsThaw, None, flags)
            s("DomainFSTrim", dom.fSTrim, None, 0, flags)
            s("DomainFSTrim", dom.fSTrim, "/boot", 0, flags)
            s("DomainFSTrim", dom.fSTrim, "/none", 0, flags)
            s("DomainFSTrim", dom.fSTrim, None, 5, flags)
            s("DomainSetUserPassword", dom.setUserPassword, "root", "x", flags)
            s("DomainSetUserPassword", dom.setUserPassword, "user", "x", flags)
            s("DomainInjectNMI", dom.injectNMI, flags)
            s("DomainSendKey", dom.sendKey, 0, 0, [1, 2], 2, flags)
            s("DomainSendKey", dom.sendKey, 3, 50, [30], 1, flags)
            s("DomainSendKey", dom.sendKey, 99, 0, [1], 1, flags)
            s("DomainSendKey", dom.sendKey, 0, 0, [99999], 1, flags)
            s("DomainGetLaunchSecurityInfo", dom.launchSecurityInfo, flags)
    s("DomainSetUserPassword", dom.setUserPassword, "root", "x", 2)
    for number in (1, 2, 9, 15, 0, 64, 99):
        for pid in (1, 2, 0, -1):
            if dom.isActive():
                s("DomainSendProcessSignal", dom.sendProcessSignal, pid, number)
                s("DomainGetState", dom.state)
            else:
                dom.create()
    s("DomainSendProcessSignal", dom.sendProcessSignal, 1, 1, 1)
    built_in = conn.lookupByName("test")
    s("DomainMemoryStats", built_in.memoryStats)
    s("DomainInterfaceAddresses", built_in.interfaceAddresses, 0)
    s("DomainSetMemoryStatsPeriod", built_in.setMemoryStatsPeriod, 5, 0)
    s("DomainGetXMLDesc", built_in.XMLDesc)
    if dom.isActive():
        dom.destroy()
    dom.undefine()


def statistics(s: Steps, conn: Any) -> None:
    dom = conn.defineXML(document("counted", 7, "<interface type='user'><mac "
                                  "address='52:54:00:00:00:01'/></interface>"))  # fmt: skip
    threads = document("threads", 8).replace("<os>", "<iothreads>2</iothreads><os>")
    other = conn.createXML(threads)
    s("DomainAddIOThread", other.addIOThread, 7)
    s("DomainSetIOThreadParams", other.setIOThreadParams, 7, {"poll_max_ns": 5})
    for state in ("off", "on"):
        if state == "on":
            dom.create()
        for wanted in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048):
            for flags in (0, 1, 2, 1 << 31):
                s("ConnectGetAllDomainStats", figures, conn.getAllDomainStats, wanted, flags)
        s("ConnectGetAllDomainStats", figures, conn.getAllDomainStats, 0, 1 << 30)
        s("ConnectGetAllDomainStats", figures, conn.getAllDomainStats, 1, 256)
    s("ConnectGetAllDomainStats", lambda: len(conn.domainListGetStats([dom], 1)))
    s("ConnectGetAllDomainStats", lambda: len(conn.domainListGetStats([dom, dom], 1)))


def figures(ask: Any, wanted: int, flags: int) -> Any:
    return sorted([dom.name(), values] for dom, values in ask(wanted, flags))
