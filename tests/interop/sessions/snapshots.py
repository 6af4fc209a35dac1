# SPDX-License-Identifier: Apache-2.0
"""A session about snapshots, by libvirt's binding: ``/usr/bin/python3 snapshots.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
life cycle events since the last one, the guest's state, its snapshots as a tree with the current
one marked, and the images of its disks, live and persistent.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

GUEST = """<domain type='qemu'><name>@NAME@</name><uuid>@UUID@</uuid><memory unit='MiB'>32</memory>
<vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<devices><controller type='usb' model='none'/>@DISKS@<serial type='null'/></devices></domain>"""
DISK = (
    "<disk type='file' device='{device}'><driver name='qemu' type='{form}'/>{source}"
    "<target dev='{target}' bus='{bus}'/>{more}</disk>"
)
UUID = "11111111-2222-3333-4444-5555555555{:02}"


class Session:
    """A guest, and what is heard of it."""

    def __init__(self, conn: Any, directory: Path) -> None:
        self.conn = conn
        self.directory = directory
        self.events: list[Any] = []
        conn.domainEventRegisterAny(
            None,
            libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            lambda *args: self.events.append(args[2:-1]),
            None,
        )
        self.guest: Any = None
        self.number = 0

    def define(self, *disks: str) -> None:
        """Another guest, with disks of its own: ``qcow2``, ``raw``, ``cdrom``."""
        self.number += 1
        elements = [self._disk(kind, place) for place, kind in enumerate(disks)]
        text = GUEST.replace("@DISKS@", "".join(elements)).replace("@NAME@", f"g{self.number}")
        self.guest = self.conn.defineXML(text.replace("@UUID@", UUID.format(self.number)))

    def _disk(self, kind: str, place: int) -> str:
        letter = chr(ord("a") + place)
        if kind == "cdrom":
            return DISK.format(
                device="cdrom", form="raw", source="", target="sda", bus="sata", more="<readonly/>"
            )
        file = self.file(f"{letter}.{kind.rstrip('-no')}")
        self.image(file, kind.rstrip("-no"))
        return DISK.format(
            device="disk",
            form=kind.rstrip("-no"),
            source=f"<source file='{file}'/>",
            target=f"vd{letter}",
            bus="virtio",
            more="",
        ).replace("<disk ", "<disk snapshot='no' " if kind.endswith("-no") else "<disk ")

    def file(self, name: str) -> str:
        """A file of this guest's."""
        return str(self.directory / f"g{self.number}{name}")

    def image(self, file: str, form: str = "qcow2") -> None:
        """An image that every QEMU may write."""
        subprocess.run(["qemu-img", "create", "-q", "-f", form, file, "4M"], check=True)
        Path(file).chmod(0o666)

    def step(self, name: str, action: Callable[..., Any], *args: Any) -> Any:
        """Takes a step and tells what came of it."""
        del self.events[:]
        given = None
        try:
            given = action(*args)
            answer: Any = plain(given)
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain()]
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()
        print(json.dumps([name, answer, list(self.events), *self.shown()]), flush=True)
        return given

    def shown(self) -> list[Any]:
        """State, tree and images."""
        if self.guest is None:
            return []
        try:
            state = self.guest.state()
            names = sorted(one.getName() for one in self.guest.listAllSnapshots())
            tree = [self._line(name) for name in names]
            images = [self._images(0)]
            if state[0] != libvirt.VIR_DOMAIN_SHUTOFF and self.guest.isPersistent():
                images.append(self._images(libvirt.VIR_DOMAIN_XML_INACTIVE))
        except libvirt.libvirtError as error:
            return [error.get_error_code()]
        return [state, tree, images]

    def _line(self, name: str) -> str:
        one = self.guest.snapshotLookupByName(name)
        try:
            parent = one.getParent().getName()
        except libvirt.libvirtError:
            parent = "-"
        return f"{parent}>{name}{'*' if one.isCurrent() else ''}"

    def _images(self, flags: int) -> list[str]:
        found = []
        for disk in ET.fromstring(self.guest.XMLDesc(flags)).iterfind("devices/disk"):
            chain = []
            source: Any = disk.find("source")
            store: Any = disk.find("backingStore")
            form: Any = disk.find("driver")
            while True:
                path = source.get("file") if source is not None else None
                kind = form.get("type") if form is not None else None
                chain.append(f"{kind}:{re.sub('^g[0-9]+', '', Path(path).name)}" if path else "-")
                if store is None or not len(store):
                    break
                source, form = store.find("source"), store.find("format")
                store = store.find("backingStore")
            found.append("<".join(chain))
        return found

    def create(self, name: str, flags: int = 0, **parts: str) -> Any:
        """Makes a snapshot; *parts* are elements of its document."""
        body = "".join(parts.values())
        text = f"<domainsnapshot><name>{name}</name>{body}</domainsnapshot>"
        if not name:
            text = f"<domainsnapshot>{body}</domainsnapshot>"
        return self.step(f"create {name} {flags}", self.guest.snapshotCreateXML, text, flags)

    def on(self, name: str, method: str, *args: Any) -> Any:
        """Does something with a snapshot."""
        try:
            one = self.guest.snapshotLookupByName(name)
        except libvirt.libvirtError as error:
            print(json.dumps([f"no {name}", error.get_error_code(), error.get_error_domain()]))
            return None
        if method == "revert":
            return self.step(f"revert {name} {args}", self.guest.revertToSnapshot, one, *args)
        return self.step(f"{method} {name} {args}", getattr(one, method), *args)

    def document(self, name: str) -> None:
        """The snapshot's document, without times of this run and the guest's documents."""
        text = self.guest.snapshotLookupByName(name).getXMLDesc()
        text = re.sub(r"<creationTime>\d+", "<creationTime>N", text)
        text = re.sub(r"\s*<(domain|inactiveDomain|cookie)[ >].*</\1>", "", text, flags=re.S)
        text = re.sub(r"/g\d+", "/g", text.replace(str(self.directory), "@DIR@"))
        print(json.dumps(["document", text.replace(" ", "")]))


def plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, (list, tuple)):
        return sorted(plain(one) for one in value)
    if isinstance(value, libvirt.virDomainSnapshot):
        return f"snapshot {value.getName()}"
    return value if isinstance(value, (int, str, type(None))) else type(value).__name__


def listing(session: Session) -> None:
    """Every filter."""
    guest = session.guest
    for bit in range(12):
        session.step(f"list {1 << bit}", guest.listAllSnapshots, 1 << bit)
        session.step(f"names {1 << bit}", guest.snapshotListNames, 1 << bit)
        session.step(f"num {1 << bit}", guest.snapshotNum, 1 << bit)
    session.step("has current", guest.hasCurrentSnapshot)
    session.step("current", guest.snapshotCurrent)
    for name in sorted(one.getName() for one in guest.listAllSnapshots()):
        for method, args in (
            ("getParent", ()), ("numChildren", ()), ("numChildren", (1,)),
            ("listAllChildren", (1,)), ("listChildrenNames", (4,)), ("hasMetadata", ()),
            ("isCurrent", ()),
        ):  # fmt: skip
            session.on(name, method, *args)


DISK_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
REUSE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
HALT = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_HALT
LIVE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE
QUIESCE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
ATOMIC = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
NO_METADATA = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
CURRENT = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT


def internal_off(session: Session) -> None:
    """Internal snapshots of a guest that is shut off."""
    session.define("qcow2", "qcow2", "cdrom")
    session.create("a", description="<description>first</description>")
    session.document("a")
    session.create("a")
    session.create("b")
    session.on("a", "revert", 0)
    session.create("c")
    listing(session)
    session.create("d", NO_METADATA)
    session.create("d", 1 << 20)
    session.create("a/b")
    session.create(".x")
    session.on("b", "revert", libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
    session.on("a", "revert", libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
    session.on("a", "revert", 3)
    session.on("a", "revert", 0)
    session.step("rename", session.guest.rename, "other", 0)
    session.step("undefine", session.guest.undefine)
    session.on("a", "delete", 5)
    session.on("a", "delete", 0)
    session.on("b", "delete", libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    session.create("b2")
    session.create("e")
    session.create("f")
    session.on("e", "delete", libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY)
    session.on("c", "delete", libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
    session.step("undefine", session.guest.undefineFlags, 2)


def internal_on(session: Session) -> None:
    """Internal snapshots of a guest that runs, or is paused."""
    session.define("qcow2", "cdrom")
    guest = session.guest
    guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    session.create("p")
    session.document("p")
    guest.resume()
    session.create("r")
    session.create("live", LIVE)
    session.create("q", QUIESCE)
    session.on("p", "revert", 0)
    session.on("r", "revert", 0)
    session.create("h", HALT)
    session.on("r", "revert", libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
    session.on("p", "delete", 0)
    session.on("h", "delete", 0)
    guest.destroy()
    session.create("o")
    session.step("start", guest.create)
    session.on("o", "revert", 0)
    session.on("r", "delete", 0)
    session.on("o", "delete", 0)
    session.step("undefine", guest.undefine)


def external_on(session: Session) -> None:
    """External snapshots of disks, of a guest that runs."""
    session.define("qcow2", "raw", "cdrom")
    guest, file = session.guest, session.file
    guest.create()
    session.create("i")
    session.create("e", DISK_ONLY)
    session.document("e")
    session.create("e2", DISK_ONLY | ATOMIC | NO_METADATA)
    session.create("e3", DISK_ONLY, disks="<disks><disk name='vda' snapshot='no'/></disks>")
    session.create("e4", DISK_ONLY, disks="<disks><disk name='vda' snapshot='internal'/></disks>")
    session.create("e5", DISK_ONLY, disks="<disks><disk name='vdz' snapshot='external'/></disks>")
    session.create("e6", DISK_ONLY, disks="<disks><disk name='vda'/><disk name='vda'/></disks>")
    session.create("e7", DISK_ONLY, disks=one("vda", session.file("a.e3")))
    session.create("e3", DISK_ONLY, disks=one("vda", file("a.again")))
    session.create("e8", DISK_ONLY | REUSE, disks=one("vda", file("none.qcow2")))
    session.create("e9", DISK_ONLY, disks=one("vda", file("x.raw"), "raw"))
    session.create("e11", DISK_ONLY | QUIESCE)
    session.create("e12", DISK_ONLY, disks="<disks><disk name='vdb' snapshot='manual'/></disks>")
    session.create("e13", DISK_ONLY, disks="<disks><disk name='sda' snapshot='external'/></disks>")
    image = file("own.qcow2")
    session.image(image)
    session.create("e14", DISK_ONLY | REUSE, disks=both("vda", image, "vdb"))
    session.create("h", DISK_ONLY | HALT, disks=both("vda", file("h.qcow2"), "vdb"))
    session.step("undefine", guest.undefineFlags, 2)


def one(target: str, file: str, form: str = "qcow2") -> str:
    """``<disks>`` with one external snapshot."""
    return (
        f"<disks><disk name='{target}' snapshot='external'><driver type='{form}'/>"
        f"<source file='{file}'/></disk></disks>"
    )


def both(target: str, file: str, other: str) -> str:
    """The same, and nothing of another disk."""
    return one(target, file).replace("<disks>", f"<disks><disk name='{other}' snapshot='no'/>")


def external_off(session: Session) -> None:
    """External snapshots of a guest that is shut off."""
    session.define("qcow2", "qcow2-no", "raw")
    session.create("i")
    session.create("s", DISK_ONLY)
    session.document("s")
    session.create("t", DISK_ONLY | LIVE)
    session.create("u", DISK_ONLY | QUIESCE)
    session.create(
        "v", DISK_ONLY, memory=f"<memory snapshot='external' file='{session.file('m')}'/>"
    )
    session.create("v", memory=f"<memory snapshot='external' file='{session.file('m')}'/>")
    session.create("w", DISK_ONLY | HALT)
    session.on("w", "delete", 2)
    session.on("s", "delete", 3)
    session.step("undefine", session.guest.undefine)


def with_memory(session: Session) -> None:
    """External snapshots with memory."""
    session.define("qcow2")
    guest, file = session.guest, session.file
    guest.create()
    session.create("m", memory=f"<memory snapshot='external' file='{file('m.mem')}'/>")
    session.document("m")
    session.create("n", LIVE, memory=f"<memory snapshot='external' file='{file('n.mem')}'/>")
    session.create("o", DISK_ONLY, memory=f"<memory snapshot='external' file='{file('o.mem')}'/>")
    session.create("o", memory="<memory snapshot='external'/>")
    session.create("o", memory="<memory snapshot='internal' file='/x'/>")
    session.create("o", memory="<memory snapshot='external' file='relative'/>")
    session.create("o", memory="<memory snapshot='no'/>")
    session.create("o", disks=one("vda", file("o.qcow2")))
    guest.suspend()
    session.create("p", memory=f"<memory snapshot='external' file='{file('p.mem')}'/>")
    guest.destroy()
    session.step("undefine", guest.undefineFlags, 2)


def deletion(session: Session) -> None:
    """External snapshots go, and what was written stays."""
    session.define("qcow2")
    session.guest.create()
    for name in "abc":
        session.create(name, DISK_ONLY)
    session.on("b", "delete", 0)
    session.on("c", "delete", 0)
    session.on("a", "delete", 0)
    session.guest.destroy()
    for name in "xy":
        session.create(name, DISK_ONLY)
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    session.on("y", "delete", 0)
    session.on("x", "delete", 0)
    session.guest.destroy()
    session.step("undefine", session.guest.undefineFlags, 2)


def redefinition(session: Session) -> None:
    """Documents of snapshots that were made elsewhere."""
    session.define("qcow2")
    guest = session.guest
    session.create("a")
    text = guest.snapshotLookupByName("a").getXMLDesc()
    session.on("a", "delete", 2)
    define = guest.snapshotCreateXML
    session.step("redefine", define, text, REDEFINE)
    session.step("current", define, text, REDEFINE | CURRENT)
    session.step("current alone", define, text, CURRENT)
    session.step(
        "new words",
        define,
        text.replace("<state>", "<description>x</description><state>"),
        REDEFINE,
    )
    child = text.replace("<name>a<", "<name>b<").replace(
        "<state>", "<parent><name>a</name></parent><state>"
    )
    session.step("child", define, child, REDEFINE | CURRENT)
    for name, old, new in (
        ("own parent", "<name>a</name></parent>", "<name>b</name></parent>"),
        ("no parent", "<name>a</name></parent>", "<name>z</name></parent>"),
        ("no time", "<creationTime>", "<creationTimes>"),
        ("other uuid", UUID.format(session.number), UUID.format(99)),
        ("no state", "<state>shutoff</state>", ""),
        ("other state", "<state>shutoff</state>", "<state>running</state>"),
        ("bad state", "<state>shutoff</state>", "<state>zork</state>"),
        ("disk state", "<state>shutoff</state>", "<state>disk-snapshot</state>"),
        ("location", "snapshot='internal'", "snapshot='external'"),
    ):
        session.step(name, define, child.replace(old, new), REDEFINE)
    session.step(
        "circle",
        define,
        text.replace("<state>", "<parent><name>b</name></parent><state>"),
        REDEFINE,
    )
    session.step(
        "no domain",
        define,
        re.sub("<domain .*</domain>", "", child, flags=re.S).replace(">b<", ">n<"),
        REDEFINE,
    )
    session.step("nonsense", define, "<domainsnapshot", 0)
    session.step("another", define, "<domain/>", 0)
    session.step("validate", define, "<domainsnapshot><zork/></domainsnapshot>", 512)
    session.step("unknown", define, "<domainsnapshot><name>zork</name><zork/></domainsnapshot>", 0)
    session.step("undefine", guest.undefineFlags, 2)


PARTS = (
    internal_off, internal_on, external_on, external_off, with_memory, deletion, redefinition,
)  # fmt: skip


def main(uri: str, directory: str, *names: str) -> int:
    """The session, or those parts of it that are named."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(10, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(libvirt.open(uri), Path(directory))
    for part in PARTS:
        if not names or part.__name__ in names:
            print(json.dumps(["part", part.__name__]))
            part(session)
    for guest in session.conn.listAllDomains():
        if guest.isActive():
            guest.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
