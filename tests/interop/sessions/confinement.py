# SPDX-License-Identifier: Apache-2.0
"""What confines a guest, as the kernel and the driver tell it: ``confinement.py URI DIRECTORY``.

A line of JSON for each step, the same for libvirt and for us.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
import sys
from typing import Any

import libvirt

STATUS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp")
LIMITS = ("Max core file size", "Max processes", "Max open files", "Max locked memory")
PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


def document(rest: str = "", devices: str = "") -> str:
    """A guest that needs nothing."""
    return (
        f"<domain type='qemu'><name>confined</name><memory unit='MiB'>32</memory>{rest}"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<devices><controller type='usb' model='none'/>{devices}</devices></domain>"
    )


def disk(path: str, target: str, inside: str = "") -> str:
    return (
        f"<disk type='file' device='disk'><source file='{path}'>{inside}</source>"
        f"<target dev='{target}' bus='virtio'/></disk>"
    )


def image(directory: str, name: str) -> str:
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.truncate(1 << 20)
    os.chown(path, 1234, 1235)
    return path


def qemu() -> str:
    """``/proc/PID`` of the guest."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if b"guest=confined," in file.read():
                    return os.path.dirname(path)
        except OSError:
            continue
    raise LookupError("no QEMU")


def shown(process: str) -> dict[str, Any]:
    """What the kernel says of a process."""
    with open(f"{process}/status") as file:
        pairs = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open(f"{process}/limits") as file:
        limits = {name: line[26:].split()[:2] for line in file for name in LIMITS if name in line}
    with open(f"{process}/mountinfo") as file:
        mounts = sorted(line.split()[4:6] for line in file if line.split()[4].startswith("/dev"))
    found = {name: pairs[name].split() for name in STATUS}
    found["Groups"] = sorted(found["Groups"])
    return {**found, **limits, "mounts": mounts, "dev": nodes(os.path.join(process, "root", "dev"))}


def nodes(dev: str) -> list[Any]:
    """The device nodes of a ``/dev``."""
    found = []
    for name in sorted(os.listdir(dev)):
        status = os.stat(os.path.join(dev, name))
        kind = stat.filemode(status.st_mode)
        found.append([name, kind, status.st_uid, status.st_gid, status.st_rdev])
    return found


def owned(path: str) -> list[Any]:
    status = os.stat(path)
    memory = {
        name: os.getxattr(path, name).decode()
        for name in os.listxattr(path)
        if name.startswith("trusted.libvirt.security") and "timestamp" not in name
    }
    return [status.st_uid, status.st_gid, memory]


def tell(step: str, *found: Any) -> None:
    print(json.dumps([step, *found]), flush=True)


def attempt(connection: Any, step: str, text: str, *paths: str) -> None:
    """Creates a guest, tells how it is confined and whose the files are, and ends it."""
    try:
        guest = connection.createXML(text, PAUSED)
    except libvirt.libvirtError as error:
        tell(step, error.get_error_code(), error.get_error_domain())
        return
    labels = re.findall(r"<seclabel.*?(?:/>|</seclabel>)", guest.XMLDesc(), re.DOTALL)
    identity = {name: shown(qemu())[name] for name in ("Uid", "Gid", "Groups")}
    tell(step, labels, guest.securityLabelList(), guest.securityLabel(), identity,
         [owned(path) for path in paths])  # fmt: skip
    guest.destroy()
    tell(f"{step}, ended", [owned(path) for path in paths])


def main(uri: str, directory: str) -> None:
    """All steps."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open(uri)
    path = image(directory, "confined.img")
    log = os.path.join(directory, "confined.log")
    guest = connection.createXML(document(devices=disk(path, "vda")), PAUSED)
    tell("kernel", shown(qemu()))
    guest.destroy()
    models = re.findall(r"<secmodel>.*?</secmodel>", connection.getCapabilities(), re.DOTALL)
    tell("models", models, connection.getSecurityModel())
    attempt(connection, "plain", document(devices=disk(path, "vda")), path)
    for label in (
        "<seclabel type='none'/>",
        "<seclabel type='dynamic' relabel='yes'/>",
        "<seclabel type='dynamic' model='dac'/>",
        "<seclabel type='static' model='dac' relabel='no'><label>+0:+0</label></seclabel>",
        "<seclabel type='static' model='dac' relabel='yes'><label>+64055:+0</label></seclabel>",
        "<seclabel type='dynamic' model='dac'><baselabel>+64055:+0</baselabel></seclabel>",
        "<seclabel type='static' model='dac'><label>nobody-here:+0</label></seclabel>",
        "<seclabel type='static' model='dac'><label>wrong</label></seclabel>",
        "<seclabel type='static'><label>+0:+0</label></seclabel>",
        "<seclabel type='dynamic' model='selinux'/>",
        "<seclabel type='none' model='selinux'/>",
        "<seclabel type='static' model='apparmor'><label>x</label></seclabel>",
    ):
        attempt(connection, label, document(label, disk(path, "vda")), path)
    own = "<seclabel model='dac' relabel='yes'><label>+64055:+0</label></seclabel>"
    kept = "<seclabel model='dac' relabel='no'/>"
    other = "<seclabel model='selinux' relabel='no'/>"
    whole = "<seclabel type='static' model='dac' relabel='yes'><label>+0:+0</label></seclabel>"
    attempt(connection, "disk's own", document(whole, disk(path, "vda", own)), path)
    attempt(connection, "disk kept", document(whole, disk(path, "vda", kept)), path)
    attempt(connection, "disk of another model", document("", disk(path, "vda", other)), path)
    port = f"<serial type='file'><source path='{log}'>{own}</source></serial>"
    attempt(connection, "port", document(devices=port), log)
    attempt(
        connection,
        "huge pages",
        document("<memoryBacking><hugepages/></memoryBacking>"),
    )
    locked = "<memoryBacking><locked/></memoryBacking>"
    attempt(connection, "locked memory", document(locked))  # some hosts refuse it to root, too
    attempt(
        connection,
        "a node that is not there",
        document("<numatune><memory mode='strict' nodeset='7'/></numatune>"),
    )
    attempt(
        connection,
        "nodes that cannot be preferred",
        document("<numatune><memory mode='preferred' nodeset='0-1'/></numatune>"),
    )


main(*sys.argv[1:])
