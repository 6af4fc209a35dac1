# SPDX-License-Identifier: Apache-2.0
"""Snapshots of domains."""

from __future__ import annotations

from typing import Any

from steps import Steps

DOMAIN = """
<domain type='test'><name>{name}</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-012345678c{number:02x}</uuid>
<memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
<disk type='file'><source file='/x'/><target dev='vda'/></disk>
<disk type='file'><source file='/y'/><target dev='vdb'/></disk></devices></domain>
"""
SNAPSHOT = "<domainsnapshot><name>{}</name>{}</domainsnapshot>"


def document(name: str, number: int) -> str:
    return DOMAIN.format(name=name, number=number)


def names(found: list[Any]) -> list[str]:
    return sorted(one.getName() for one in found)


def lists(s: Steps, dom: Any) -> None:
    for flags in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 12):
        s("DomainSnapshotNum", dom.snapshotNum, flags)
        s("DomainSnapshotListNames", lambda flags=flags: sorted(dom.snapshotListNames(flags)))
        s("DomainListAllSnapshots", lambda flags=flags: names(dom.listAllSnapshots(flags)))
    s("DomainHasCurrentSnapshot", dom.hasCurrentSnapshot)
    s("DomainSnapshotCurrent", dom.snapshotCurrent)


def looks(s: Steps, snap: Any) -> None:
    s("DomainSnapshotIsCurrent", snap.isCurrent)
    s("DomainSnapshotHasMetadata", snap.hasMetadata)
    s("DomainSnapshotGetParent", snap.getParent)
    for flags in (0, 1, 2):
        s("DomainSnapshotGetXMLDesc", snap.getXMLDesc, flags)
    for flags in (0, 1, 2, 8, 1024, 4096):
        s("DomainSnapshotNumChildren", snap.numChildren, flags)
        s("DomainSnapshotListChildrenNames",
          lambda flags=flags: sorted(snap.listChildrenNames(flags)))  # fmt: skip
        s("DomainSnapshotListAllChildren", lambda flags=flags: names(snap.listAllChildren(flags)))


def session(s: Steps, conn: Any, directory: str) -> None:
    conn.domainEventRegisterAny(None, 0, s.listen("domain"), None)
    dom = conn.defineXML(document("snapped", 1))
    lists(s, dom)
    creations(s, dom)
    tree(s, dom)
    reverts(s, conn, dom)
    deletions(s, conn, dom)
    passing(s, conn)
    s.heard("snapshots")


def creations(s: Steps, dom: Any) -> None:
    for text in ("<domainsnapshot", "<domain/>", SNAPSHOT.format("a/b", ""),
                 SNAPSHOT.format(".hidden", "")):  # fmt: skip
        s("DomainSnapshotCreateXML", dom.snapshotCreateXML, text)
    for number, more in enumerate((
        "", "<description>words</description>", "<memory snapshot='internal'/>",
        "<memory snapshot='external' file='/m'/>", "<memory snapshot='no'/>",
        "<disks><disk name='vda' snapshot='external'><source file='/s'/></disk></disks>",
        "<disks><disk name='vda' snapshot='no'/></disks>",
        "<disks><disk name='none'/></disks>", "<disks><disk name='/x'/></disks>",
        "<disks><disk/></disks>", "<nonsense/>", "<disks><disk name='vda' snapshot='external'/>"
        "</disks>",
    )):  # fmt: skip
        for state in ("off", "on"):
            text = SNAPSHOT.format(f"{state}{number}", more)
            if (state == "on") != dom.isActive():
                (dom.destroy if state == "off" else dom.create)()
            for flags in (0, 4, 8, 16, 64, 80):
                snap = s("DomainSnapshotCreateXML", dom.snapshotCreateXML, text, flags)
                s("DomainGetState", dom.state)
                if snap is not None:
                    s("DomainSnapshotGetXMLDesc", snap.getXMLDesc)
                    s("DomainSnapshotDelete", snap.delete)
                if dom.isActive() != (state == "on"):
                    (dom.destroy if state == "off" else dom.create)()
    flags_of_creation(s, dom)
    dom.destroy()


def flags_of_creation(s: Steps, dom: Any) -> None:
    for flags in (1, 2, 3, 4, 32, 128, 256, 512, 1024, 2048):
        snap = s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("f", ""), flags)
        if snap is not None:
            snap.delete()
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("v", "<none/>"), 512)
    lists(s, dom)


def tree(s: Steps, dom: Any) -> None:
    first = s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("first", ""))
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("first", ""))
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("second", ""))
    dom.create()
    third = s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("third", ""))
    dom.suspend()
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("paused", ""))
    dom.destroy()
    s("DomainRevertToSnapshot", dom.revertToSnapshot, first)
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("branch", ""))
    looks(s, first)
    looks(s, third)
    lists(s, dom)
    s("DomainSnapshotLookupByName", dom.snapshotLookupByName, "first")
    s("DomainSnapshotLookupByName", dom.snapshotLookupByName, "none")
    s("DomainSnapshotLookupByName", dom.snapshotLookupByName, "first", 1)
    text = third.getXMLDesc(1)
    for flags in (1, 3):
        s("DomainSnapshotCreateXML", dom.snapshotCreateXML, text, flags)
        s("DomainSnapshotGetXMLDesc", third.getXMLDesc)
    again = text.replace(">third<", ">again<")
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, again, 1)
    other = text.replace("8a6d53a3-5f6b", "8a6d53a3-5f6c")
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, other, 1)
    s("DomainSnapshotDelete", dom.snapshotLookupByName("again").delete)


def reverts(s: Steps, conn: Any, dom: Any) -> None:
    for name in ("first", "third", "paused", "first", "paused", "third", "third"):
        snap = dom.snapshotLookupByName(name)
        for flags in (0, 1, 2, 3, 4, 5, 16):
            s("DomainRevertToSnapshot", dom.revertToSnapshot, snap, flags)
            s("DomainGetState", dom.state)
            s("DomainIsPersistent", dom.isPersistent)
            s("DomainSnapshotIsCurrent", snap.isCurrent)
        s("DomainGetXMLDesc", dom.XMLDesc)
    s("DomainSnapshotCurrent", lambda: dom.snapshotCurrent().getName())
    if dom.isActive():
        dom.destroy()
    s("DomainUndefine", dom.undefine)


def deletions(s: Steps, conn: Any, dom: Any) -> None:
    third = dom.snapshotLookupByName("third")
    s("DomainSnapshotDelete", third.delete, 8)
    s("DomainSnapshotDelete", third.delete, 5)
    s("DomainSnapshotDelete", third.delete, 2)
    s("DomainSnapshotGetParent", lambda: dom.snapshotLookupByName("paused").getParent().getName())
    s("DomainSnapshotDelete", third.delete)
    lists(s, dom)
    s("DomainSnapshotDelete", third.delete)
    s("DomainSnapshotGetXMLDesc", third.getXMLDesc)
    s("DomainSnapshotGetParent", lambda: dom.snapshotLookupByName("paused").getParent().getName())
    s("DomainSnapshotDelete", dom.snapshotLookupByName("second").delete, 4)
    lists(s, dom)
    s("DomainSnapshotDelete", dom.snapshotLookupByName("first").delete, 1)
    lists(s, dom)
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format("left", ""))
    s("ConnectListAllDomains", lambda: sorted(one.name() for one in conn.listAllDomains(4096)))
    s("DomainUndefineFlags", dom.undefineFlags, 0)
    s("DomainUndefineFlags", dom.undefineFlags, 2)


def passing(s: Steps, conn: Any) -> None:
    dom = conn.createXML(document("passing", 2))
    for flags in (0, 4, 8, 16):
        s("DomainSnapshotCreateXML", dom.snapshotCreateXML, SNAPSHOT.format(f"p{flags}", ""), flags)
    snap = dom.snapshotLookupByName("p0")
    s("DomainRevertToSnapshot", dom.revertToSnapshot, snap)
    s("DomainUndefine", dom.undefine)
    s("DomainDestroy", dom.destroy)
    s("DomainListAllSnapshots", dom.listAllSnapshots)
