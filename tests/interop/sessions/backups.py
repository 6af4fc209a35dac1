# SPDX-License-Identifier: Apache-2.0
"""A session about checkpoints and backups, by libvirt's binding: ``backups.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, and
the events since the last one. Paths begin with ``@``, times and numbers of images are left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu

GUEST = """<domain type='qemu'><name>chk</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
<memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
<controller type='usb' model='none'/>{}
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk><serial type='null'/>
</devices></domain>"""
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='{}'/><source file='{}'/>"
    "<target dev='{}' bus='virtio'/></disk>"
)
EVENTS = ("LIFECYCLE", "BLOCK_JOB", "BLOCK_JOB_2", "JOB_COMPLETED", "BLOCK_THRESHOLD")
NOT = "<disk name='vda' backup='no'/>"
BOTH = "<disks><disk name='vda'/><disk name='vdb'/></disks>"


def checkpoint(name: str, more: str = "") -> str:
    """The document of a checkpoint."""
    return f"<domaincheckpoint><name>{name}</name>{more}</domaincheckpoint>"


class Session:
    """The guest, and what is heard of it."""

    def __init__(self, conn: Any, directory: Path) -> None:
        self.conn = conn
        self.directory = directory
        self.events: list[Any] = []
        for name in EVENTS:
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            conn.domainEventRegisterAny(
                None, number, lambda *args: self.events.append([args[-1], *args[2:-1]]), name
            )
        disks = [("vda", "qcow2"), ("vdb", "qcow2"), ("vdc", "raw")]
        elements = "".join(DISK.format(form, self.image(one, form), one) for one, form in disks)
        self.guest = conn.defineXML(GUEST.format(elements))

    def image(self, name: str, form: str, size: str = "4M") -> str:
        """Makes an image."""
        path = self.directory / f"{name}.{form}"
        subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path), size], check=True)
        path.chmod(0o666)
        return str(path)

    def step(
        self, name: str, action: Callable[..., Any], *args: Any, until: str | None = None
    ) -> Any:
        """Takes a step and tells what came of it."""
        result = None
        try:
            result = action(*args)
            plain = isinstance(result, (str, int, list, dict, type(None)))
            answer: Any = result if plain else "done"
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain()]
        self.hear(until)
        events, self.events[:] = sorted(self.events, key=repr), []
        print(json.dumps([name, self.masked(answer), self.masked(events)]), flush=True)
        return result

    def hear(self, until: str | None) -> None:
        """Waits for events: a moment, or until one has come, and a moment then."""
        limit = time.monotonic() + 15
        while until and time.monotonic() < limit and until not in [e[0] for e in self.events]:
            libvirt.virEventRunDefaultImpl()
        end = time.monotonic() + (0.25 if until else 0.02)
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()

    def masked(self, value: Any) -> Any:
        """Without what differs from run to run."""
        text = json.dumps(value).replace(str(self.directory), "@")
        text = re.sub(r"creationTime>\d+", "creationTime>", text)
        text = re.sub(r'("time_elapsed": )\d+', r"\g<1>0", text)
        text = re.sub(r" index='\d+'", "", text)
        text = re.sub(r"(?<=\.)\d{10}\b", "TIME", text)
        # Which cgroup a guest is in is the host's matter.
        text = re.sub(r" *<resource>.*?</resource>\\n", "", text)
        text = re.sub(r"^\[2, \d+,", "[2, 0,", text)
        return json.loads(text)

    def write(self, number: int, what: str) -> None:
        """Writes to a disk as the guest would."""
        backend = f"/machine/peripheral/virtio-disk{number}/virtio-backend"
        libvirt_qemu.qemuMonitorCommand(self.guest, f'qemu-io -d {backend} "write {what}"', 1)

    def backup(
        self,
        name: str,
        document: str,
        checkpoint: str | None = None,
        flags: int = 0,
        *,
        ends: bool = True,
    ) -> None:
        """Begins one, and waits for its end if it ends by itself."""
        until = "JOB_COMPLETED" if ends else None
        self.step(name, self.guest.backupBegin, document, checkpoint, flags, until=until)

    def files(self) -> list[str]:
        """What there is in the directory; libvirt 9 leaves a socket behind."""
        names = sorted(os.listdir(self.directory))
        return [name for name in names if name.split(".")[-1] in ("scratch", "bak", "new")]


def checkpoints(session: Session) -> None:
    """How they are made, described, listed and deleted."""
    guest, step = session.guest, session.step
    create = guest.checkpointCreateXML
    for name, text, flags in (
        ("raw", checkpoint("a"), 0),
        ("no disk", checkpoint("a", "<disks><disk name='vdx'/></disks>"), 0),
        ("twice", checkpoint("a", "<disks><disk name='vda'/><disk name='vda'/></disks>"), 0),
        ("bitmap", checkpoint("a", "<disks><disk name='vda' bitmap='x'/></disks>"), 0),
        ("empty", checkpoint("a", "<disks><disk name='sda'/></disks>"), 0),
        ("slash", checkpoint("a/b", BOTH), 0), ("dot", checkpoint(".a", BOTH), 0),
        ("root", "<foo/>", 0), ("flags", checkpoint("a"), 64),
        ("quiesce", checkpoint("a", BOTH), 2),
        ("validate", checkpoint("a"), 4),
        ("none", checkpoint("none", "<disks><disk name='vda' checkpoint='no'/></disks>"), 0),
    ):  # fmt: skip
        step(f"create {name}", create, text, flags)
    step("delete none", guest.checkpointLookupByName("none").delete, 0)
    made = [step(f"create {n}", create, checkpoint(n, BOTH), 0) for n in ("a", "b", "c")]
    session.write(0, "-P 1 0 64k")
    session.write(1, "-P 1 128k 192k")
    step("again", create, checkpoint("a", BOTH), 0)
    for flags in (0, 1, 2, 4, 6, 8):
        step(f"document {flags}", made[1].getXMLDesc, flags)
    for flags in (1, 2, 4, 16):
        step(f"list {flags}", lambda f=flags: [c.getName() for c in guest.listAllCheckpoints(f)])
    for flags in (0, 1, 2, 4, 8):
        step(f"below {flags}", lambda f=flags: [c.getName() for c in made[0].listAllChildren(f)])
    for one in made:
        step("parent", lambda o=one: o.getParent().getName())
    step("lookup", guest.checkpointLookupByName, "nope", 0)
    described(session, made[1])
    step("delete b", made[1].delete, 0)
    step("both", made[0].delete, 5)
    step("flags", made[0].delete, 8)
    step("children only", made[0].delete, 4)
    step("left", lambda: [c.getName() for c in guest.listAllCheckpoints(0)])


def described(session: Session, made: Any) -> None:
    """Described again by a client."""
    guest, step, text = session.guest, session.step, made.getXMLDesc(1)
    create = guest.checkpointCreateXML
    parent = "<name>a</name>"
    for name, changed in (
        ("the same", text), ("no time", re.sub("<creationTime>.*</creationTime>", "", text)),
        ("no domain", re.sub("<domain .*</domain>", "", text, flags=re.DOTALL)),
        ("uuid", text.replace("11111111-", "11111112-")),
        ("no parent", text.replace(parent, "<name>none</name>")),
        ("itself", text.replace(parent, "<name>b</name>")),
        ("child", text.replace(parent, "<name>c</name>")),
    ):  # fmt: skip
        step(f"redefine {name}", create, changed, 1)
    step("validated", create, text, 5)
    other = text.replace("<name>b<", "<name>x<").replace("'b'", "'x'")
    step("unknown bitmap", create, other, 5)
    step("forget", made.delete, 2)
    step("below", lambda: guest.checkpointLookupByName("c").getParent().getName())
    step("redefine", create, text, 5)


def pushed(session: Session) -> None:
    """Into images, in full and since a checkpoint."""
    guest, place = session.guest, session.directory

    def one(target: str, more: str = "", attributes: str = "", disk: str = "vda") -> str:
        return (
            f"<domainbackup>{more}<disks><disk name='{disk}' type='file' {attributes}>"
            f"<target file='{place}/{target}'/></disk></disks></domainbackup>"
        )

    session.backup("all", "<domainbackup/>")
    session.backup("full", one("full.bak"), checkpoint("p", BOTH))
    session.write(0, "-P 2 1M 64k")
    session.backup("increment", one("increment.bak", "<incremental>p</incremental>"))
    full = "backupmode='full'"
    session.backup("one in full", one("other.bak", "<incremental>p</incremental>", full))
    for name, text, flags in (
        ("exists", one("full.bak"), 0), ("missing", one("none.bak"), 1),
        ("all since", "<domainbackup><incremental>p</incremental></domainbackup>", 0),
        ("since nothing", one("x.bak", "<incremental>zz</incremental>"), 0),
        ("nothing", f"<domainbackup><disks>{NOT}</disks></domainbackup>", 0),
        ("no disk", one("x.bak", disk="vdx"), 0), ("no medium", one("x.bak", disk="sda"), 0),
        ("in use", one("vda.qcow2"), 1), ("flags", one("x.bak"), 4),
        ("no type", "<domainbackup><disks><disk name='vda'/></disks></domainbackup>", 0),
        ("server", "<domainbackup><server name='localhost' port='1'/></domainbackup>", 0),
        ("place", one("none/x.bak"), 0), ("path", one("x.bak", disk=f"{place}/vda.qcow2"), 0),
        ("mode", one("x.bak", attributes="backupmode='incremental'"), 0),
        ("raw checkpoint", one("x.bak"), 0),
    ):  # fmt: skip
        also = checkpoint("q") if name == "raw checkpoint" else None
        session.backup(name, text, also, flags, ends=False)
    session.step("none", guest.backupGetXMLDesc, 0)
    session.step("no job", guest.abortJob)
    session.step("info", guest.jobInfo)
    session.step("completed", guest.jobStats, 1)
    session.step("completed once", guest.jobStats, 1)


def pulled(session: Session) -> None:
    """Over NBD."""
    guest, place = session.guest, session.directory

    def all_of(server: str, disks: str, more: str = "") -> str:
        chosen = f"<disks>{disks}</disks>" if disks else ""
        return f"<domainbackup mode='pull'>{more}{server}{chosen}</domainbackup>"

    unix = f"<server transport='unix' socket='{place}/sock'/>"
    scratch = f"<scratch file='{place}/{{}}.scratch'/>"
    vda = f"<disk name='vda' type='file'>{scratch.format('vda')}</disk>"
    vdb = f"<disk name='vdb' type='file' exportname='b'>{scratch.format('vdb')}</disk>"
    for name, server in (
        ("no server", ""), ("empty", "<server/>"), ("no path", "<server transport='unix'/>"),
        ("rdma", "<server transport='rdma'/>"), ("port", "<server name='localhost' port='99999'/>"),
        ("no port", "<server name='localhost'/>"), ("host", "<server name='x.invalid' port='1'/>"),
    ):  # fmt: skip
        session.backup(name, all_of(server, vda), ends=False)
    session.backup("pull", all_of(unix, vda + vdb), checkpoint("r", BOTH), ends=False)
    session.step("document", guest.backupGetXMLDesc, 0)
    session.write(0, "-P 9 0 128k")
    session.step("info", guest.jobInfo)
    session.step("stats", guest.jobStats, 0)
    session.step("files", session.files)
    session.step("block job", lambda: guest.blockJobInfo("vda", 0)["type"])
    session.step("pull meanwhile", guest.blockPull, "vda", 0, 0)
    text = DISK.format("qcow2", place / "vdb.qcow2", "vdb")
    session.step("detach meanwhile", guest.detachDeviceFlags, text, 1)
    session.step("checkpoint meanwhile", guest.checkpointCreateXML, checkpoint("s", BOTH), 0)
    session.step("flags", guest.backupGetXMLDesc, 1)
    session.step("abort", guest.abortJob, until="JOB_COMPLETED")
    session.step("files", session.files)
    session.step("completed", guest.jobStats, 1)
    since = "<incremental>r</incremental>"
    session.backup("since", all_of(unix, vda, since), ends=False)
    session.step("document", guest.backupGetXMLDesc, 0)
    session.step("end of a job", guest.blockJobAbort, "vda", 0, until="JOB_COMPLETED")
    session.backup("again", all_of(unix, vda), ends=False)
    session.step("destroy", guest.destroy, until="JOB_COMPLETED")
    session.step("files", session.files)
    session.step("completed", guest.jobStats, 1)


def at_rest(session: Session) -> None:
    """What a guest that does not run has of all that."""
    guest = session.guest
    session.step("create", guest.checkpointCreateXML, checkpoint("z", BOTH), 0)
    session.backup("backup", "<domainbackup/>", ends=False)
    session.step("none", guest.backupGetXMLDesc, 0)
    one = guest.checkpointLookupByName("s")
    session.step("size", one.getXMLDesc, 6)
    session.step("delete", one.delete, 0)
    session.step("forget", one.delete, 2)
    session.step("threshold", guest.setBlockThreshold, "vda", 4096, 0)
    session.step("memory", guest.memoryPeek, 0, 4, 2)
    session.step("undefine", guest.undefineFlags, 0)
    session.step("rename", guest.rename, "other", 0)
    session.step("left", lambda: sorted(c.getName() for c in guest.listAllCheckpoints(0)))
    session.step("undefine", guest.undefineFlags, 16)


def looked_at(session: Session) -> None:
    """Images, memory and marks."""
    guest = session.guest
    for disk, offset, size in (
        ("vdc", 0, 8), ("vda", 0, 8), ("sda", 0, 8), ("vdx", 0, 8), ("", 0, 8), ("vdc", 0, 0),
        ("vdc", 4 << 20, 8), ("vdc", (4 << 20) - 4, 8),
    ):  # fmt: skip
        session.step(
            f"block {disk} {offset}",
            lambda d=disk, o=offset, s=size: guest.blockPeek(d, o, s).hex(),
        )
    for offset, size, flags in ((0xFFFF0, 8, 2), (0xFFFF0, 8, 1), (0, 8, 0), (0, 8, 3), (0, 8, 6)):
        session.step(
            f"memory {flags}",
            lambda o=offset, s=size, f=flags: guest.memoryPeek(o, s, f).hex(),
        )
    number = re.findall(r"index='(\d+)'", guest.XMLDesc())[2]
    for name in (f"vdc[{number}]", "vdc", "vda[99]", "vdx", "vda[x]", "sda"):
        shown = name.replace(number, "N")
        session.step(f"threshold {shown}", guest.setBlockThreshold, name, 65536, 0)
    session.step("flags", guest.setBlockThreshold, "vdc", 65536, 1)
    session.write(2, "-P 3 1M 64k")
    session.step("beyond", lambda: None, until="BLOCK_THRESHOLD")


def main(uri: str, directory: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(10, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    place = Path(directory) / "backups"
    place.mkdir()
    place.chmod(0o777)
    session = Session(libvirt.open(uri), place)
    session.step("create", session.guest.checkpointCreateXML, checkpoint("z", BOTH), 0)
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    for part in (checkpoints, looked_at, pushed, pulled, at_rest):
        part(session)
    return 0


raise SystemExit(main(*sys.argv[1:]))
