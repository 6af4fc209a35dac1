# SPDX-License-Identifier: Apache-2.0
"""Domains: listing, life cycle, documents, events."""

from __future__ import annotations

from typing import Any

import libvirt
from steps import Steps

UUID = "8a6d53a3-5f6b-4c3e-9b0e-0123456789{:02x}"
DOMAIN = """
<domain type='test'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type>hvm</type></os>{more}</domain>
"""
EVENTS = (0, 1, 2, 3, 4, 5, 8, 12, 13, 16, 17, 18, 22, 23, 25)


def document(name: str, number: int, more: str = "") -> str:
    return DOMAIN.format(name=name, uuid=UUID.format(number), more=more)


def both(s: Steps, dom: Any) -> None:
    """What is seen of a domain."""
    for api, name in (
        ("DomainGetState", "state"), ("DomainGetInfo", "info"), ("DomainIsActive", "isActive"),
        ("DomainIsPersistent", "isPersistent"), ("DomainIsUpdated", "isUpdated"),
        ("DomainGetXMLDesc", "XMLDesc"), ("DomainGetOSType", "OSType"),
        ("DomainGetControlInfo", "controlInfo"),
    ):  # fmt: skip
        if name == "info":  # the last figure is a time
            s(api, lambda: dom.info()[:4])
        else:
            s(api, getattr(dom, name))


def lists(s: Steps, conn: Any) -> None:
    s("ConnectNumOfDomains", conn.numOfDomains)
    s("ConnectListDomains", lambda: sorted(conn.listDomainsID()))
    s("ConnectNumOfDefinedDomains", conn.numOfDefinedDomains)
    s("ConnectListDefinedDomains", lambda: sorted(conn.listDefinedDomains()))
    for flag in (0, 1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 1 << 14, 5):
        s("ConnectListAllDomains", names, conn, flag)


def names(conn: Any, flags: int) -> list[str]:
    return sorted(dom.name() for dom in conn.listAllDomains(flags))


def listen(s: Steps, conn: Any) -> list[int]:
    numbers = []
    for event in EVENTS:
        numbers.append(
            s("ConnectDomainEventRegisterAny", conn.domainEventRegisterAny, None, event,
              s.listen(f"domain {event}"), None)
        )  # fmt: skip
    return numbers


def session(s: Steps, conn: Any, directory: str) -> None:
    numbers = listen(s, conn)
    lists(s, conn)
    built_in = s("DomainLookupByName", conn.lookupByName, "test")
    s("DomainLookupByID", conn.lookupByID, 1)
    s("DomainLookupByID", conn.lookupByID, 77)
    s("DomainLookupByName", conn.lookupByName, "none")
    s("DomainLookupByUUID", conn.lookupByUUIDString, built_in.UUIDString())
    s("DomainLookupByUUID", conn.lookupByUUIDString, UUID.format(255))
    both(s, built_in)
    definitions(s, conn)
    life(s, conn)
    transient(s, conn)
    documents(s, conn)
    ends(s, conn)
    others(s, conn)
    s.heard("all")
    s("ConnectDomainEventDeregisterAny", conn.domainEventDeregisterAny, numbers[0])
    s("ConnectDomainEventDeregisterAny", conn.domainEventDeregisterAny, numbers[0])
    old = s.listen("old")
    s("ConnectDomainEventRegister", conn.domainEventRegister, old, None)
    dom = conn.createXML(document("old", 90))
    dom.destroy()
    s.heard("old")
    s("ConnectDomainEventDeregister", conn.domainEventDeregister, old)


def definitions(s: Steps, conn: Any) -> None:
    s("DomainDefineXML", conn.defineXML, "<domain/>")
    s("DomainDefineXML", conn.defineXML, "<domain")
    s("DomainDefineXML", conn.defineXML, "<network/>")
    s("DomainDefineXML", conn.defineXML, document("x", 1).replace("'test'", "'nonesuch'"))
    s("DomainDefineXML", conn.defineXML, "<domain type='test'><name>x</name></domain>")
    s("DomainDefineXML", conn.defineXML, document("a/b", 1))
    s("DomainDefineXML", conn.defineXML, document("", 1))
    s("DomainDefineXML", conn.defineXML, document("one", 1).replace("hvm", "none"))
    s("DomainDefineXML", conn.defineXML, document("q", 2).replace("'test'", "'qemu'"))
    dom = s("DomainDefineXML", conn.defineXML, document("one", 1))
    both(s, dom)
    s("DomainDefineXML", conn.defineXML, document("one", 1, "<description>again</description>"))
    s("DomainGetXMLDesc", dom.XMLDesc)
    s("DomainDefineXML", conn.defineXML, document("one", 2))
    s("DomainDefineXML", conn.defineXML, document("two", 1))
    s("DomainDefineXMLFlags", conn.defineXMLFlags, document("three", 3), 0)
    s("DomainDefineXMLFlags", conn.defineXMLFlags, document("four", 4), 1)
    s("DomainDefineXMLFlags", conn.defineXMLFlags, document("five", 5, "<nonsense/>"), 1)
    s("DomainDefineXMLFlags", conn.defineXMLFlags, document("five", 5, "<nonsense/>"), 0)
    s("DomainDefineXMLFlags", conn.defineXMLFlags, document("five", 5), 2)
    lists(s, conn)
    s("DomainUndefineFlags", conn.lookupByName("three").undefineFlags, 0)
    s("DomainUndefineFlags", conn.lookupByName("four").undefineFlags, 4)
    s("DomainUndefine", conn.lookupByName("five").undefine)
    s("DomainUndefine", dom.undefine)
    s("DomainUndefine", dom.undefine)
    s("DomainGetXMLDesc", dom.XMLDesc)
    s.heard("definitions")


def life(s: Steps, conn: Any) -> None:
    dom = conn.defineXML(document("life", 10))
    for name in ("suspend", "resume", "shutdown", "reboot", "reset", "destroy"):
        s(f"Domain{name.capitalize()}", getattr(dom, name))
    s("DomainCreate", dom.create)
    both(s, dom)
    s("DomainCreate", dom.create)
    s("DomainCreateWithFlags", dom.createWithFlags, 0)
    s("DomainCreateWithFlags", dom.createWithFlags, 1)
    s("DomainResume", dom.resume)
    s("DomainSuspend", dom.suspend)
    both(s, dom)
    s("DomainSuspend", dom.suspend)
    s("DomainReset", dom.reset)
    s("DomainReset", dom.reset, 1)
    s("DomainReboot", dom.reboot)
    both(s, dom)
    s("DomainResume", dom.resume)
    lists(s, conn)
    s("DomainReboot", dom.reboot)
    both(s, dom)
    s("DomainReboot", dom.reboot, 1)
    s("DomainReboot", dom.reboot, 64)
    both(s, dom)
    s("DomainReset", dom.reset)
    both(s, dom)
    s("DomainUndefine", dom.undefine)
    both(s, dom)
    s("DomainDefineXML", conn.defineXML, document("life", 10))
    s("DomainShutdown", dom.shutdown)
    both(s, dom)
    s("DomainCreateWithFlags", dom.createWithFlags, 0)
    s("DomainShutdownFlags", dom.shutdownFlags, 1)
    s("DomainShutdownFlags", dom.shutdownFlags, 0)
    both(s, dom)
    s("DomainCreateWithFiles", dom.createWithFiles, [], 0)
    s("DomainCreateWithFiles", dom.createWithFiles, [], 1)
    s("DomainDestroyFlags", dom.destroyFlags, 64)
    s("DomainDestroyFlags", dom.destroyFlags, 1)
    s("DomainDestroyFlags", dom.destroyFlags, 0)
    both(s, dom)
    s("DomainDestroy", dom.destroy)
    s("DomainUndefine", dom.undefine)
    s.heard("life")


def transient(s: Steps, conn: Any) -> None:
    s("DomainCreateXML", conn.createXML, "<domain/>")
    s("DomainCreateXML", conn.createXML, document("passing", 20), 1)
    s("DomainCreateXML", conn.createXML, document("passing", 20), 2)
    dom = s("DomainCreateXML", conn.createXML, document("passing", 20))
    both(s, dom)
    s("DomainCreateXML", conn.createXML, document("passing", 20))
    s("DomainCreateXML", conn.createXML, document("passing", 21))
    s("DomainSetAutostart", dom.setAutostart, 1)
    s("DomainGetAutostart", dom.autostart)
    s("DomainUndefine", dom.undefine)
    lists(s, conn)
    s("DomainDefineXML", conn.defineXML, document("passing", 20, "<title>kept</title>"))
    both(s, dom)
    s("DomainGetXMLDesc", dom.XMLDesc, 2)
    s("DomainDestroy", dom.destroy)
    s("DomainGetXMLDesc", dom.XMLDesc)
    s("DomainUndefine", dom.undefine)
    other = s("DomainCreateXMLWithFiles", conn.createXMLWithFiles, document("files", 22), [])
    s("DomainShutdown", other.shutdown)
    s("DomainGetState", other.state)
    s("DomainCreateLinux", conn.createLinux, document("linux", 23), 0)
    s("DomainDestroy", conn.lookupByName("linux").destroy)
    s.heard("transient")


def documents(s: Steps, conn: Any) -> None:
    devices = (
        "<devices><disk type='file'><source file='/x'/><target dev='hda'/></disk>"
        "<disk type='file'><source file='/x'/><target dev='vdb'/></disk>"
        "<interface type='network'><source network='default'/></interface>"
        "<interface type='user'><mac address='52:54:00:11:22:33'/></interface>"
        "<console type='pty'/><graphics type='vnc' passwd='secret'/><video/>"
        "<input type='tablet'/><controller type='scsi'/></devices>"
    )
    dom = s("DomainDefineXML", conn.defineXML, document("devices", 30, devices))
    for flags in (0, 1, 2, 3, 4, 8, 16, 128):
        s("DomainGetXMLDesc", dom.XMLDesc, flags)
    dom.create()
    for flags in (0, 1, 2, 8):
        s("DomainGetXMLDesc", dom.XMLDesc, flags)
    s("DomainSetAutostart", dom.setAutostart, 1)
    s("DomainGetAutostart", dom.autostart)
    s("ConnectListAllDomains", names, conn, 1024)
    metadata(s, dom)
    s("DomainRename", dom.rename, "renamed")
    dom.destroy()
    s("DomainRename", dom.rename, "devices")
    s("DomainRename", dom.rename, "test")
    s("DomainRename", dom.rename, "")
    s("DomainRename", dom.rename, "a/b")
    s("DomainRename", dom.rename, "renamed", 1)
    s("DomainRename", dom.rename, "renamed")
    s("DomainLookupByName", conn.lookupByName, "renamed")
    s("DomainLookupByName", conn.lookupByName, "devices")
    metadata(s, dom)
    conn.lookupByName("renamed").undefine()
    s.heard("documents")


def metadata(s: Steps, dom: Any) -> None:
    for flags in (0, 1, 2, 3, 4):
        s("DomainSetMetadata", dom.setMetadata, 0, f"description {flags}", None, None, flags)
        s("DomainSetMetadata", dom.setMetadata, 1, f"title {flags}", None, None, flags)
        s("DomainSetMetadata", dom.setMetadata, 2, "<app><x/></app>", "app", "urn:app", flags)
        s("DomainSetMetadata", dom.setMetadata, 2, "<app", "app", "urn:app", flags)
        for kind, uri in ((0, None), (1, None), (2, "urn:app"), (2, "urn:none"), (9, None)):
            s("DomainGetMetadata", dom.metadata, kind, uri, flags)
        s("DomainGetXMLDesc", dom.XMLDesc)
    s("DomainSetMetadata", dom.setMetadata, 1, "a\nb", None, None, 0)
    s("DomainSetMetadata", dom.setMetadata, 2, "<app/>", None, "urn:app", 0)
    s("DomainSetMetadata", dom.setMetadata, 2, "<app/>", "app", None, 0)
    s("DomainSetMetadata", dom.setMetadata, 9, "<app/>", "app", None, 0)
    s("DomainGetMetadata", dom.metadata, 2, None, 0)
    s("DomainGetMetadata", dom.metadata, 0, "urn:app", 0)
    s("DomainSetMetadata", dom.setMetadata, 2, None, "app", "urn:app", 0)
    s("DomainSetMetadata", dom.setMetadata, 0, None, None, None, 0)
    s("DomainGetMetadata", dom.metadata, 0, None, 0)


def ends(s: Steps, conn: Any) -> None:
    """The actions that follow an end."""
    for number, action in enumerate(("destroy", "restart", "rename-restart", "preserve")):
        more = f"<on_poweroff>{action}</on_poweroff><on_reboot>{action}</on_reboot>"
        more += f"<on_crash>{action}</on_crash>"
        for way in ("shutdown", "reboot"):
            place = 40 + 2 * number + (way == "reboot")
            dom = s("DomainCreateXML", conn.createXML, document(f"{way} {action}", place, more))
            s(f"Domain{way.capitalize()}", getattr(dom, way))
            s("DomainGetState", dom.state)
            s("DomainDestroy", dom.destroy)
    dom = conn.defineXML(document("actions", 50))
    for flags in (0, 1, 2, 3, 4):
        s("DomainSetLifecycleAction", dom.setLifecycleAction, 0, 1, flags)
    dom.create()
    for flags in (0, 1, 2, 3):
        for kind, action in ((0, 3), (1, 0), (2, 4), (2, 5), (1, 4), (9, 0), (0, 9)):
            s("DomainSetLifecycleAction", dom.setLifecycleAction, kind, action, flags)
        s("DomainGetXMLDesc", dom.XMLDesc)
        s("DomainGetXMLDesc", dom.XMLDesc, 2)
    s("DomainReboot", dom.reboot)
    s("DomainGetState", dom.state)
    s("DomainDestroy", dom.destroy)
    dom.undefine()
    s.heard("ends")


def others(s: Steps, conn: Any) -> None:
    """What the driver has not."""
    dom = conn.lookupByName("test")
    s("not served", dom.attachDevice, "<disk/>")
    s("not served", dom.updateDeviceFlags, "<disk/>", 0)
    s("not served", dom.jobInfo)
    s("not served", dom.abortJob)
    s("not served", dom.guestVcpus)
    s("not served", dom.guestInfo)
    s("not served", dom.blockResize, "vda", 1)
    s("not served", dom.blockPeek, "vda", 0, 1)
    s("not served", dom.migrateToURI, "test:///default", 0)
    s("not served", dom.openConsole, None, conn.newStream())
    s("not served", dom.pMWakeup)
    s("not served", dom.backupGetXMLDesc)
    s("not served", dom.setBlockThreshold, "vda", 1)
    s("not served", dom.blockStatsFlags, "vda")
    s("DomainGetMessages", dom.messages)
    s("DomainGetMessages", dom.messages, 1)
    s("DomainGetMessages", dom.messages, 8)
    s("DomainGetSecurityLabel", dom.securityLabel)
    s("DomainIsUpdated", dom.isUpdated)
    assert libvirt.getVersion()
