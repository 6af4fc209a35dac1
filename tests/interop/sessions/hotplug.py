# SPDX-License-Identifier: Apache-2.0
"""A session about devices, by libvirt's binding: ``/usr/bin/python3 hotplug.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
events since the last one, and the live devices with their aliases and addresses.
"""

from __future__ import annotations

import json
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, 13)
)
GUEST = f"""<domain type='qemu'><name>plug</name><memory unit='MiB'>64</memory>
<maxMemory slots='4' unit='MiB'>512</maxMemory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu><devices>{PORTS}
<controller type='usb' model='qemu-xhci'/><controller type='scsi' index='0' model='virtio-scsi'/>
<controller type='virtio-serial' index='0'/>
<disk type='file' device='cdrom'><source file='@0@'/><target dev='sda' bus='sata'/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<serial type='null'/></devices></domain>"""

_DISK = (
    "<disk type='file' device='{device}'><driver name='qemu' type='raw'/>"
    "<source file='{file}'/><target dev='{target}' bus='{bus}'/></disk>"
)
CARD = "<interface type='user'><mac address='52:54:00:00:00:0{}'/><model type='{}'/></interface>"
RNG = "<rng model='virtio'><backend model='builtin'/></rng>"
MEMORY = "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"


def disk(file: str, target: str, bus: str, device: str = "disk") -> str:
    """A raw image as a disk."""
    return _DISK.format(file=file, target=target, bus=bus, device=device)


def plugged(images: list[str]) -> list[str]:
    """What is attached live, one after the other."""
    return [
        disk(images[1], "vda", "virtio"), disk(images[1], "vda", "virtio"),
        disk(images[2], "sdb", "scsi"), disk(images[3], "sdh", "scsi"),
        disk(images[4], "sdc", "usb"), disk(images[5], "sdd", "sata"),
        disk("/nowhere/none.raw", "vdx", "virtio"), CARD.format(2, "virtio"), RNG, RNG, MEMORY,
        "<input type='mouse' bus='usb'/>", "<input type='keyboard' bus='ps2'/>",
        "<controller type='scsi' model='virtio-scsi'/>", "<controller type='sata' index='1'/>",
        "<controller type='scsi' index='0' model='virtio-scsi'/>", CARD.format(3, "e1000"),
        "<serial type='null'><target type='usb-serial' port='1'/></serial>",
        "<channel type='null'><target type='virtio' name='org.x.0'/></channel>",
        "<parallel type='null'/>", "<sound model='ich6'/>", "<hub type='usb'/>", "<bogus/>", "<x",
    ]  # fmt: skip


class Session:
    """The guest, and what is heard of it."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.events: list[Any] = []
        for name in ("DEVICE_ADDED", "DEVICE_REMOVED", "TRAY_CHANGE"):
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            conn.domainEventRegisterAny(
                None, number, lambda *args: self.events.append([args[-1], *args[2:-1]]), name
            )
        self.guest: Any = None

    def step(self, name: str, action: Callable[..., Any], *args: Any) -> None:
        """Takes a step and tells what came of it."""
        del self.events[:]
        try:
            action(*args)
            answer: Any = "done"
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain()]
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()
        print(json.dumps([name, answer, self.events, self.devices()]))

    def devices(self) -> list[list[Any]]:
        """Kind, alias and address of every device of the guest."""
        found = []
        for device in ET.fromstring(self.guest.XMLDesc()).find("devices") or ():
            alias, address = device.find("alias"), device.find("address")
            if device.tag not in ("emulator", "controller") and alias is not None:
                place = address.attrib if address is not None else {}
                found.append([device.tag, alias.get("name"), place])
        return found


def live(session: Session, images: list[str]) -> None:
    """Devices come and go while the guest is paused."""
    guest, only = session.guest, libvirt.VIR_DOMAIN_AFFECT_LIVE
    for number, text in enumerate(plugged(images)):
        session.step(f"attach {number} {text[:40]}", guest.attachDeviceFlags, text, only)
    for text in ("<input type='mouse' bus='usb'/>", disk(images[4], "sdc", "usb"),
                 disk(images[0], "sda", "sata", "cdrom"), "<sound model='ich6'/>",
                 "<controller type='usb' index='0'/>", disk(images[4], "sdz", "usb")):  # fmt: skip
        session.step(f"detach {text[:40]}", guest.detachDeviceFlags, text, only)
    session.step("alias", guest.detachDeviceAlias, "serial1", only)
    session.step("no alias", guest.detachDeviceAlias, "nothere", only)


def media(session: Session, images: list[str]) -> None:
    """The drive, and what else is changed live."""
    guest, only = session.guest, libvirt.VIR_DOMAIN_AFFECT_LIVE
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    full = disk(images[6], "sda", "sata", "cdrom")
    for name, text in (("put", full), ("again", full), ("eject", empty), ("eject", empty)):
        session.step(name, guest.updateDeviceFlags, text, only)
    session.step("attach", guest.attachDeviceFlags, full, only)
    down = CARD.format(1, "virtio").replace("<model", "<link state='down'/><model")
    for text in (down, CARD.format(1, "e1000"), CARD.format(9, "virtio"), RNG):
        session.step(f"update {text[:60]}", guest.updateDeviceFlags, text, only)


def both(session: Session, images: list[str]) -> None:
    """The document and the guest, together and apart."""
    guest = session.guest
    text = disk(images[7], "sdk", "usb")
    for name, action in (("attach", guest.attachDeviceFlags), ("detach", guest.detachDeviceFlags)):
        for flags in (3, 3, 2, 0, 64):
            session.step(f"{name} {flags}", action, text, flags)
    session.step("detach", guest.detachDevice, text)


def main(uri: str, directory: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(50, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    images = [str(Path(directory) / f"plug{number}.raw") for number in range(8)]
    for image in images:
        Path(image).write_bytes(bytes(1 << 20))
        Path(image).chmod(0o666)
    session = Session(libvirt.open(uri))
    session.guest = session.conn.defineXML(GUEST.replace("@0@", images[0]))
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    for part in (live, media, both):
        part(session, images)
    session.guest.destroy()
    session.guest.undefine()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
