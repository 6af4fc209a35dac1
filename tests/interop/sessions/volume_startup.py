# SPDX-License-Identifier: Apache-2.0
"""Guests whose disks are volumes that may be missing (``startupPolicy``): see ``device_steps.py``.

Each policy with what is there and what is not: at a start, at one that goes on from a state, and
for what is plugged in.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import libvirt
from device_steps import HOME, URI, step

PLACE = f"{HOME}/pool"
POLICIES = ("", "mandatory", "requisite", "optional")
TARGETS = {"disk": ("vda", "virtio"), "cdrom": ("sda", "sata"), "floppy": ("fda", "fdc")}
FILE = (
    "<disk type='file' device='{}'><driver name='qemu' type='raw'/>"
    "<source file='/nowhere/image' startupPolicy='{}'/><target dev='{}' bus='{}'/></disk>"
)
#: Pools and volumes that are there, and some that are not.
SOURCES = {
    "there": ("pool", "one"),
    "no volume": ("pool", "none"),
    "file gone": ("pool", "gone"),
    "no pool": ("none", "one"),
    "pool at rest": ("rest", "one"),
}
EVENTS: list[tuple[object, ...]] = []
PAUSED = 1  # VIR_DOMAIN_START_PAUSED


def disk(device: str, policy: str, source: tuple[str, str]) -> str:
    name, bus = TARGETS[device]
    chosen = f" startupPolicy='{policy}'" if policy else ""
    return (
        f"<disk type='volume' device='{device}'><driver name='qemu' type='raw'/>"
        f"<source pool='{source[0]}' volume='{source[1]}'{chosen}/>"
        f"<target dev='{name}' bus='{bus}'/></disk>"
    )


def guest(devices: str) -> str:
    return f"""<domain type='qemu'><name>web</name><memory unit='MiB'>16</memory>
<uuid>cccccccc-2222-3333-4444-555555555555</uuid>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices>{devices}<controller type='usb' model='none'/><memballoon model='none'/></devices>
</domain>"""


def disks(domain: libvirt.virDomain, flags: int = 0) -> str:
    """What is said of its disks, without addresses."""
    found = re.findall(r"<disk .*?</disk>", domain.XMLDesc(flags), re.S)
    return "\n".join(re.sub(r" *<address.*?/>\n", "", each) for each in found)


def events() -> list[tuple[object, ...]]:
    """Those since it was last asked."""
    told, EVENTS[:] = list(EVENTS), []
    return told


def cases() -> Iterator[tuple[str, str]]:
    """Every device with every policy and source that says something new."""
    for policy in POLICIES:
        for name, source in SOURCES.items():
            yield f"disk {policy} {name}", disk("disk", policy, source)
            if name in ("there", "no volume"):
                yield f"cdrom {policy} {name}", disk("cdrom", policy, source)
    for device in TARGETS:
        yield f"file {device}", FILE.format(device, "optional", *TARGETS[device])
    volumes = "".join(disk(device, "optional", ("none", "none")) for device in TARGETS)
    yield "all volumes", volumes
    files = "".join(FILE.format(device, "optional", *TARGETS[device]) for device in TARGETS)
    yield "all files", files
    yield (
        "both",
        disk("disk", "optional", ("none", "none"))
        + FILE.format("cdrom", "optional", *TARGETS["cdrom"]),
    )


def settled(domain: libvirt.virDomain) -> None:
    """It is stopped, and what was told by then is shown."""
    step("stop", domain.destroy)
    step("events", events)


def defined(conn: libvirt.virConnect, name: str, devices: str) -> libvirt.virDomain | None:
    """The guest, where it is one; the step tells."""
    made: libvirt.virDomain | None = None
    try:
        made = conn.defineXML(guest(devices))
    except libvirt.libvirtError as error:
        code = error.get_error_code()
        step(f"{name}: define", lambda: code)
    return made


def started(conn: libvirt.virConnect, name: str, devices: str) -> None:
    """At a start of what was defined."""
    domain = defined(conn, name, devices)
    if domain is None:
        return
    step(f"{name}: start", lambda: domain.createWithFlags(PAUSED))
    if domain.isActive():
        for flags in (0, 2):
            step(f"{name}: disks", lambda flags=flags: disks(domain, flags))
        settled(domain)
    domain.undefine()


def restored(
    conn: libvirt.virConnect, pool: libvirt.virStoragePool, device: str, policy: str, way: str
) -> None:
    """At a start that goes on from a state: what was there is missing by then."""
    made(pool, "m")
    name = f"{device} {policy} {way}"
    domain = defined(conn, name, disk(device, policy, ("pool", "m")))
    if domain is None:
        return
    step(f"{name}: start", lambda: domain.createWithFlags(PAUSED))
    domain.managedSave()
    if way == "deleted":
        pool.storageVolLookupByName("m").delete(0)
    else:
        pool.destroy()
    step(f"{name}: restore", lambda: domain.createWithFlags(PAUSED))
    if domain.isActive():
        step(f"{name}: disks", lambda: disks(domain))
        settled(domain)
    domain.undefineFlags(1)
    if not pool.isActive():
        pool.create(0)


def plugged(conn: libvirt.virConnect) -> None:
    """Into a guest that runs."""
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    domain = conn.createXML(guest(empty), PAUSED)
    for policy in ("", "optional"):
        for name, source in SOURCES.items():
            text = disk("disk", policy, source)
            if name != "there":
                step(f"plug {policy} {name}", lambda text=text: domain.attachDevice(text))
            text = disk("cdrom", policy, source)
            step(f"insert {policy} {name}", lambda text=text: domain.updateDeviceFlags(text))
            step("inserted", lambda: disks(domain))
    settled(domain)


def made(pool: libvirt.virStoragePool, name: str) -> None:
    """A volume of that name is there."""
    text = f"<volume><name>{name}</name><capacity>1474560</capacity></volume>"
    if not Path(f"{PLACE}/{name}").exists():
        pool.refresh(0)
        pool.createXML(text, 0)


def serve() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def note(_conn: object, _domain: object, old: str, new: str, alias: str, why: int, _: None) -> None:
    EVENTS.append((old and old.replace(HOME, "HOME"), new, alias, why))


def main() -> None:
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=serve, daemon=True).start()
    conn = libvirt.open(URI)
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE, note, None)
    for name in ("pool", "rest"):
        os.mkdir(f"{HOME}/{name}", 0o755)
        target = f"<target><path>{HOME}/{name}</path></target>"
        conn.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name>{target}</pool>", 0)
    pool = conn.storagePoolLookupByName("pool")
    pool.create(0)
    for name in ("one", "gone"):
        made(pool, name)
    os.unlink(f"{PLACE}/gone")
    for name, devices in cases():
        started(conn, name, devices)
    plugged(conn)
    for device, policy, way in (
        ("cdrom", "", "deleted"), ("cdrom", "requisite", "deleted"),
        ("cdrom", "optional", "stopped"), ("floppy", "requisite", "stopped"),
        ("disk", "mandatory", "deleted"), ("disk", "optional", "deleted"),
    ):  # fmt: skip
        restored(conn, pool, device, policy, way)
    pool.destroy()
    for name in ("pool", "rest"):
        conn.storagePoolLookupByName(name).undefine()


main()
