# SPDX-License-Identifier: Apache-2.0
"""A session about block jobs, by libvirt's binding: ``python3 blockjobs.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
events since the last one, and the disk that it is about in the live and in the persistent document.
The last lines are the images: what they refer to, and a digest of what a guest sees in each.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

IMAGES = ("base.q", "mid1.q", "mid2.q", "top.q")
REBASE_SHALLOW, REBASE_REUSE, REBASE_RAW, REBASE_COPY, REBASE_RELATIVE = 1, 2, 4, 8, 16
COPY_SHALLOW, COPY_REUSE, TRANSIENT, SYNCHRONOUS = 1, 2, 4, 8
SHALLOW, DELETE, ACTIVE, RELATIVE = 1, 2, 4, 8
ASYNC, PIVOT = 1, 2


def run(*words: str, cwd: Path) -> str:
    """What a program says."""
    done = subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout


def make_images(place: Path, disks: list[str]) -> None:
    """For each disk four images, each with a part of its own."""
    first = place / disks[0]
    first.mkdir(mode=0o755)
    for number, name in enumerate(IMAGES):
        behind = ["-b", IMAGES[number - 1], "-F", "qcow2", name] if number else [name, "4M"]
        run("qemu-img", "create", "-q", "-f", "qcow2", *behind, cwd=first)
        pattern = f"write -P {number + 1} {number * 512}k 768k"
        run("qemu-io", "-f", "qcow2", "-c", pattern, name, cwd=first)
    for disk in disks[1:]:
        shutil.copytree(first, place / disk)


def guest(name: str, place: Path, disks: list[str]) -> str:
    """A guest that need not boot."""
    told = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{place}/{disk}/top.q'/><target dev='{disk}' bus='virtio'/></disk>"
        for disk in disks
    )
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<devices>{told}<memballoon model='none'/></devices></domain>"
    )


class Session:
    """A guest, and what is heard of it."""

    def __init__(self, conn: Any) -> None:
        self.conn, self.place = conn, Path()
        self.events: list[Any] = []
        for name in ("BLOCK_JOB", "BLOCK_JOB_2"):
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            conn.domainEventRegisterAny(
                None, number, lambda *args: self.events.append([args[-1], *args[2:-1]]), name
            )
        self.dom: Any = None

    def step(self, name: str, disk: str, action: Callable[..., Any], *args: Any) -> None:
        """Takes a step, lets the job come to its end or be ready, and tells what came of it."""
        del self.events[:]
        try:
            answer: Any = action(*args)
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain()]
        text = json.dumps([name, answer, self.settled(disk), self.events, *self.shown(disk)])
        print(text.replace(str(self.place), "DIR"), flush=True)

    def image(self, disk: str, depth: int) -> str:
        """An image of the chain by its number: ``vda[3]``."""
        numbers = re.findall(r"index='(\d+)'", self.shown(disk)[0])
        return f"{disk}[{numbers[depth]}]"

    def settled(self, disk: str) -> Any:
        """The job's figures once they no longer change, or those of one that is slow on purpose."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.hear(0.05)
            info = self.dom.blockJobInfo(disk, 0)
            if not info:
                self.hear(0.05)
                return {}
            if info["bandwidth"] == 1:
                return {**info, "cur": "some"}
            if "ready='yes'" in self.shown(disk)[0]:
                self.hear(0.1)
                return self.dom.blockJobInfo(disk, 0)
        return "still"

    def hear(self, seconds: float) -> None:
        """Takes events for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()

    def shown(self, disk: str) -> list[str]:
        """The disk in both documents, without its address."""
        found = []
        # Of a transient domain libvirt shows half of the live document as the persistent one.
        documents = (0, libvirt.VIR_DOMAIN_XML_INACTIVE) if self.dom.isPersistent() else (0,)
        for flags in documents:
            for text in re.findall(r"<disk.*?</disk>", self.dom.XMLDesc(flags), re.DOTALL):
                if f"dev='{disk}'" in text:
                    found.append(re.sub(r"\s*<address[^>]*>|\s*\n\s*", "", text))
        return found


def copy_of(place: Path, name: str, form: str = "qcow2", more: str = "") -> str:
    """The document of a copy's target."""
    return f"<disk type='file'><driver type='{form}'/><source file='{place}/{name}'/>{more}</disk>"


def behind(conn: Any) -> dict[str, Any]:
    """What bulk statistics say of all images; counters and sizes on the host's disk left out."""
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING
    told = conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_BLOCK, flags)[0][1]
    shown = r"count|block\.\d+\.(name|path|backingIndex|capacity)"
    return {name: value for name, value in told.items() if re.search(shown, name)}


def pulls(session: Session, dom: Any) -> None:
    """Pull and rebase."""
    step = session.step
    step("pull of nothing", "vda", dom.blockPull, "vdz", 0, 0)
    step("base of nothing", "vda", dom.blockRebase, "vda", "/nowhere", 0, 0)
    step("base of another disk", "vda", dom.blockRebase, "vda", "vdb[2]", 0, 0)
    step("base above", "vda", dom.blockRebase, "vda", session.image("vda", 0), 0, 0)
    step("relative to nothing", "vda", dom.blockRebase, "vda", None, 0, REBASE_RELATIVE)
    step("too fast", "vda", dom.blockPull, "vda", 1 << 50, 0)
    step("unknown flag", "vda", dom.blockPull, "vda", 0, 1)
    step("no job", "vda", dom.blockJobAbort, "vda", 0)
    step("rebase by path", "vda", dom.blockRebase, "vda", f"{session.place}/vda/mid1.q", 0, 0)
    step("pull the rest", "vda", dom.blockPull, "vda", 0, 0)
    step("pull with nothing behind", "vda", dom.blockPull, "vda", 0, 0)
    step(
        "rebase, relative",
        "vdb",
        dom.blockRebase,
        "vdb",
        session.image("vdb", 2),
        0,
        REBASE_RELATIVE,
    )


def commits(session: Session, dom: Any) -> None:
    """Commit, active and not."""
    step = session.step
    step("commit without active", "vdc", dom.blockCommit, "vdc", None, None, 0, 0)
    step(
        "active of another", "vdc", dom.blockCommit, "vdc", None, session.image("vdc", 1), 0, ACTIVE
    )
    step("top that is last", "vdc", dom.blockCommit, "vdc", None, session.image("vdc", 3), 0, 0)
    step(
        "wrong order",
        "vdc",
        dom.blockCommit,
        "vdc",
        session.image("vdc", 1),
        session.image("vdc", 2),
        0,
        0,
    )
    step(
        "not shallow",
        "vdc",
        dom.blockCommit,
        "vdc",
        session.image("vdc", 3),
        session.image("vdc", 1),
        0,
        SHALLOW,
    )
    step(
        "commit below",
        "vdc",
        dom.blockCommit,
        "vdc",
        session.image("vdc", 3),
        session.image("vdc", 2),
        0,
        DELETE,
    )
    step("active, shallow", "vdc", dom.blockCommit, "vdc", None, None, 0, ACTIVE | SHALLOW)
    step("figures", "vdc", behind, session.conn)
    step("a second job", "vdc", dom.blockPull, "vdc", 0, 0)
    step("abort", "vdc", dom.blockJobAbort, "vdc", 0)
    step("active again", "vdc", dom.blockCommit, "vdc", None, None, 0, ACTIVE | SHALLOW)
    step("abort again", "vdc", dom.blockJobAbort, "vdc", ASYNC)
    step("active to the last", "vdc", dom.blockCommit, "vdc", None, None, 0, ACTIVE)
    step("pivot", "vdc", dom.blockJobAbort, "vdc", PIVOT)
    step(
        "commit, relative",
        "vdb",
        dom.blockCommit,
        "vdb",
        session.image("vdb", 2),
        session.image("vdb", 1),
        0,
        RELATIVE,
    )


def copies(session: Session, dom: Any) -> None:
    """Copies of a persistent domain."""
    step, place = session.step, session.place / "vdd"
    there, slow = copy_of(place, "copy.q"), {"bandwidth": 1 << 20, "granularity": 65536}
    step("not transient", "vdd", dom.blockCopy, "vdd", there, {}, 0)
    step("onto a file", "vdd", dom.blockCopy, "vdd", copy_of(place, "base.q"), {}, TRANSIENT)
    nothing = copy_of(place, "none")
    step("reuse of nothing", "vdd", dom.blockCopy, "vdd", nothing, {}, TRANSIENT | COPY_REUSE)
    step("granularity", "vdd", dom.blockCopy, "vdd", there, {"granularity": 3}, TRANSIENT)
    step("tiny", "vdd", dom.blockCopy, "vdd", there, {"granularity": 2}, TRANSIENT)
    step("in use", "vdd", dom.blockCopy, "vdd", copy_of(place, "top.q"), {}, TRANSIENT | COPY_REUSE)
    step("no disk", "vdd", dom.blockCopy, "vdd", "<interface type='user'/>", {}, TRANSIENT)
    step("slowly", "vdd", dom.blockCopy, "vdd", there, slow, TRANSIENT)
    step("figures", "vdd", behind, session.conn)
    step("too early", "vdd", dom.blockJobAbort, "vdd", PIVOT)
    step("save", "vdd", dom.save, f"{place}/save")
    step("detach", "vdd", dom.detachDeviceFlags, "<disk><target dev='vdd'/></disk>", 1)
    step("faster", "vdd", dom.blockJobSetSpeed, "vdd", 0, 0)
    step("abort a copy", "vdd", dom.blockJobAbort, "vdd", 0)
    more = copy_of(place, "more.q")
    step("with each write", "vdd", dom.blockCopy, "vdd", more, {}, TRANSIENT | SYNCHRONOUS)
    step("pivot", "vdd", dom.blockJobAbort, "vdd", PIVOT)


def passing(session: Session, dom: Any) -> None:
    """Copies of a transient domain, as Nova makes them."""
    step, place = session.step, session.place
    raw = f"{place}/vda/raw.img"
    step("rebase to raw", "vda", dom.blockRebase, "vda", raw, 0, REBASE_COPY | REBASE_RAW)
    step("pivot", "vda", dom.blockJobAbort, "vda", PIVOT)
    step(
        "shallow to raw", "vdb", dom.blockCopy, "vdb", copy_of(place, "r", "raw"), {}, COPY_SHALLOW
    )
    new = copy_of(place / "vdb", "new.q")
    step("shallow", "vdb", dom.blockCopy, "vdb", new, {}, COPY_SHALLOW)
    step("pivot", "vdb", dom.blockJobAbort, "vdb", PIVOT)
    flags = REBASE_COPY | REBASE_SHALLOW | REBASE_REUSE
    step("as Nova does", "vdc", dom.blockRebase, "vdc", f"{place}/vdc/nova.q", 0, flags)
    step("pivot", "vdc", dom.blockJobAbort, "vdc", PIVOT)
    step("full to another format", "vdd", dom.blockCopy, "vdd", copy_of(place, "v.vmdk", "vmdk"))
    step("pivot later", "vdd", dom.blockJobAbort, "vdd", PIVOT | ASYNC)


def tell_images(place: Path) -> None:
    """All images: what each refers to, and what is seen in it."""
    for path in sorted(file for file in place.rglob("*") if file.is_file()):
        if path.name == "nova.xml":
            continue
        info = json.loads(run("qemu-img", "info", "--output=json", str(path), cwd=path.parent))
        seen = place / "seen"
        run("qemu-img", "convert", "-O", "raw", str(path), str(seen), cwd=path.parent)
        digest = hashlib.sha256(seen.read_bytes()).hexdigest()
        seen.unlink()
        behind = [info.get("backing-filename"), info.get("backing-filename-format")]
        line = json.dumps([str(path.relative_to(place)), info["format"], *behind, digest])
        print(line.replace(str(place), "DIR"), flush=True)


def main() -> None:
    """Entry point."""
    uri, directory = sys.argv[1:]
    libvirt.registerErrorHandler(lambda _ctx, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(20, lambda *_: None, None)
    conn = libvirt.open(uri)
    session, disks = Session(conn), ["vda", "vdb", "vdc", "vdd"]
    for name in ("steady", "passing"):
        place = Path(directory) / f"blockjobs-{name}"
        place.mkdir(mode=0o755)
        make_images(place, disks)
        session.place = place
        if name == "steady":
            session.dom = conn.defineXML(guest(name, place, disks))
            session.dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            pulls(session, session.dom)
            commits(session, session.dom)
            copies(session, session.dom)
        else:
            nova = ["-b", f"{place}/vdc/mid2.q", "-F", "qcow2", "nova.q"]
            run("qemu-img", "create", "-q", "-f", "qcow2", *nova, cwd=place / "vdc")
            flags = libvirt.VIR_DOMAIN_START_PAUSED
            session.dom = conn.createXML(guest(name, place, disks), flags)
            passing(session, session.dom)
        session.dom.destroy()
        if name == "steady":
            session.dom.undefine()
        tell_images(place)
    conn.close()


main()
