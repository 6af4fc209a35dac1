# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of domains."""

from __future__ import annotations

from typing import Any

from snapshots import document, names
from steps import Steps

CHECKPOINT = "<domaincheckpoint><name>{}</name>{}</domaincheckpoint>"


def lists(s: Steps, dom: Any) -> None:
    for flags in (0, 1, 2, 4, 8, 16, 32, 12):
        s("DomainListAllCheckpoints", lambda flags=flags: names(dom.listAllCheckpoints(flags)))


def looks(s: Steps, one: Any) -> None:
    s("DomainCheckpointGetParent", one.getParent)
    for flags in (0, 1, 2, 4, 8):
        s("DomainCheckpointGetXMLDesc", one.getXMLDesc, flags)
    for flags in (0, 1, 2, 8, 16):
        s("DomainCheckpointListAllChildren",
          lambda flags=flags: names(one.listAllChildren(flags)))  # fmt: skip


def session(s: Steps, conn: Any, directory: str) -> None:
    conn.domainEventRegisterAny(None, 0, s.listen("domain"), None)
    dom = conn.defineXML(document("checked", 9))
    lists(s, dom)
    s("DomainCheckpointCreateXML", dom.checkpointCreateXML, CHECKPOINT.format("off", ""))
    dom.create()
    creations(s, dom)
    tree(s, conn, dom)
    s.heard("checkpoints")


def creations(s: Steps, dom: Any) -> None:
    for text in ("<domaincheckpoint", "<domain/>", CHECKPOINT.format("a/b", "")):
        s("DomainCheckpointCreateXML", dom.checkpointCreateXML, text)
    for number, more in enumerate((
        "", "<description>words</description>",
        "<disks><disk name='vda' checkpoint='bitmap'/></disks>",
        "<disks><disk name='vda' checkpoint='no'/></disks>",
        "<disks><disk name='vda' checkpoint='no'/><disk name='vdb' checkpoint='no'/></disks>",
        "<disks><disk name='none'/></disks>", "<disks><disk name='/x'/></disks>",
        "<disks><disk/></disks>", "<disks><disk name='vda' checkpoint='maybe'/></disks>",
        "<disks><disk name='vda' bitmap='b'/></disks>",
        "<disks><disk name='vda'/><disk name='vda'/></disks>", "<nonsense/>",
    )):  # fmt: skip
        text = CHECKPOINT.format(f"c{number}", more)
        for flags in (0, 1, 2, 4, 8):
            one = s("DomainCheckpointCreateXML", dom.checkpointCreateXML, text, flags)
            if one is not None:
                s("DomainCheckpointGetXMLDesc", one.getXMLDesc)
                s("DomainCheckpointDelete", one.delete)


def tree(s: Steps, conn: Any, dom: Any) -> None:
    for name in ("one", "two", "three", "four"):
        s("DomainCheckpointCreateXML", dom.checkpointCreateXML, CHECKPOINT.format(name, ""))
    s("DomainCheckpointCreateXML", dom.checkpointCreateXML, CHECKPOINT.format("two", ""))
    s("DomainCheckpointLookupByName", dom.checkpointLookupByName, "none")
    s("DomainCheckpointLookupByName", dom.checkpointLookupByName, "two", 1)
    one = s("DomainCheckpointLookupByName", dom.checkpointLookupByName, "one")
    two = s("DomainCheckpointLookupByName", dom.checkpointLookupByName, "two")
    looks(s, one)
    looks(s, two)
    lists(s, dom)
    text = two.getXMLDesc()
    s("DomainCheckpointCreateXML", dom.checkpointCreateXML, text, 1)
    s("DomainCheckpointCreateXML", dom.checkpointCreateXML, text.replace(">two<", ">new<"), 1)
    lists(s, dom)
    s("DomainSnapshotCreateXML", dom.snapshotCreateXML, "<domainsnapshot/>")
    s("DomainCheckpointDelete", two.delete, 8)
    s("DomainCheckpointDelete", two.delete, 5)
    s("DomainCheckpointDelete", two.delete, 2)
    s("DomainCheckpointDelete", two.delete)
    s("DomainCheckpointDelete", two.delete)
    s("DomainCheckpointGetXMLDesc", two.getXMLDesc)
    lists(s, dom)
    s("DomainCheckpointDelete", dom.checkpointLookupByName("three").delete, 4)
    lists(s, dom)
    dom.destroy()
    s("ConnectListAllDomains", lambda: sorted(one.name() for one in conn.listAllDomains(16384)))
    s("DomainUndefine", dom.undefine)
    s("DomainCheckpointDelete", one.delete, 1)
    lists(s, dom)
    s("DomainUndefineFlags", dom.undefineFlags, 16)
