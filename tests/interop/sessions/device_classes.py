# SPDX-License-Identifier: Apache-2.0
"""A session about every class of device: ``/usr/bin/python3 device_classes.py URI DIRECTORY``.

Each device is added to a guest that is paused and to its document, changed and taken out again.
Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
events, and the devices that are new in both documents.
"""

from __future__ import annotations

import json
import os
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, 24)
)
GUEST = f"""<domain type='qemu'><name>class</name><memory unit='MiB'>64</memory>
<maxMemory slots='8' unit='MiB'>1024</maxMemory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu><devices>{PORTS}
<controller type='pci' index='24' model='dmi-to-pci-bridge'/>
<controller type='pci' index='25' model='pci-bridge'/>
<controller type='usb' model='qemu-xhci'/><controller type='scsi' index='0' model='virtio-scsi'/>
<controller type='virtio-serial' index='0'/><memballoon model='none'/>
<serial type='null'/></devices></domain>"""

_DISK = (
    "<disk type='file' device='{}'><driver name='qemu' type='raw'/><source file='@IMAGE@'/>"
    "<target dev='{}' bus='{}'/></disk>"
)
_CARD = (
    "<interface type='user'><mac address='52:54:00:00:01:{:02x}'/><model type='{}'/></interface>"
)
_USB = (
    "<hostdev mode='subsystem' type='usb'><source><vendor id='0xdead'/><product id='0xbeef'/>"
    "</source></hostdev>"
)
_PCI = (
    "<hostdev mode='subsystem' type='pci' managed='{}'><source>"
    "<address domain='0x0' bus='0xfe' slot='0x1f' function='0x7'/></source></hostdev>"
)
_SCSI = (
    "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host77'/>"
    "<address bus='0' target='0' unit='0'/></source></hostdev>"
)
_MEMORY = (
    "<memory model='{}'>{}<target><size unit='MiB'>128</size><node>0</node>{}</target></memory>"
)

#: Name → document.
DEVICES = {
    "disk virtio": _DISK.format("disk", "vda", "virtio"),
    "disk scsi": _DISK.format("disk", "sda", "scsi"),
    "disk usb": _DISK.format("disk", "sdb", "usb"),
    "disk sata": _DISK.format("disk", "sdc", "sata"),
    "disk fdc": _DISK.format("floppy", "fda", "fdc"),
    "cdrom scsi": _DISK.format("cdrom", "sdd", "scsi"),
    "cdrom usb": _DISK.format("cdrom", "sde", "usb"),
    "cdrom sata": _DISK.format("cdrom", "sdf", "sata"),
    "disk no bus": "<disk type='file'><source file='@IMAGE@'/><target dev='vdq'/></disk>",
    "card virtio": _CARD.format(1, "virtio"),
    "card e1000e": _CARD.format(2, "e1000e"),
    "card e1000": _CARD.format(3, "e1000"),
    "card unknown": _CARD.format(4, "nosuch"),
    "controller usb": "<controller type='usb' index='1' model='qemu-xhci'/>",
    "controller scsi": "<controller type='scsi' index='3' model='virtio-scsi'/>",
    "controller scsi again": "<controller type='scsi' index='0' model='virtio-scsi'/>",
    "controller lsi": "<controller type='scsi' index='5' model='lsilogic'/>",
    "controller serial": "<controller type='virtio-serial' index='1'/>",
    "controller sata": "<controller type='sata' index='1'/>",
    "controller ccid": "<controller type='ccid' index='0'/>",
    "input usb": "<input type='tablet' bus='usb'/>",
    "input virtio": "<input type='keyboard' bus='virtio'/>",
    "input ps2": "<input type='mouse' bus='ps2'/>",
    "input passthrough": "<input type='passthrough' bus='virtio'><source evdev='/nosuch'/></input>",
    "input evdev": "<input type='evdev'><source dev='/nosuch'/></input>",
    "sound": "<sound model='ich9'/>", "audio": "<audio id='2' type='none'/>",
    "video": "<video><model type='virtio'/></video>", "hub": "<hub type='usb'/>",
    "graphics": "<graphics type='vnc' port='-1'/>",
    "panic": "<panic model='isa'/>",
    "iommu": "<iommu model='intel'/>",
    "tpm": "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>",
    "balloon": "<memballoon model='virtio'/>",
    "crypto": "<crypto model='virtio' type='qemu'><backend model='builtin'/></crypto>",
    "watchdog": "<watchdog model='i6300esb' action='pause'/>",
    "watchdog ib700": "<watchdog model='ib700'/>",
    "vsock": "<vsock model='virtio'><cid auto='yes'/></vsock>",
    "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "rng builtin": "<rng model='virtio'><backend model='builtin'/></rng>",
    "rng nosuch": "<rng model='virtio'><backend model='random'>/nosuch</backend></rng>",
    "memory dimm": _MEMORY.format("dimm", "", ""),
    "memory virtio-mem": _MEMORY.format(
        "virtio-mem", "", "<block unit='MiB'>2</block><requested unit='MiB'>64</requested>"
    ),
    "memory large": "<memory model='dimm'><target><size unit='GiB'>8</size><node>0</node></target>"
    "</memory>",
    "shmem": "<shmem name='sh0'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>",
    "shmem again": "<shmem name='sh0'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>",
    "shmem doorbell": "<shmem name='sh1'><model type='ivshmem-doorbell'/>"
    "<server path='/nosuch'/></shmem>",
    "redirdev": "<redirdev bus='usb' type='tcp'><source mode='connect' host='127.0.0.1' "
    "service='1'/></redirdev>",
    "redirdev spice": "<redirdev bus='usb' type='spicevmc'/>",
    "serial isa": "<serial type='null'><target type='isa-serial' port='1'/></serial>",
    "serial usb": "<serial type='null'><target type='usb-serial' port='2'/></serial>",
    "serial pci": "<serial type='null'><target type='pci-serial' port='3'/></serial>",
    "parallel": "<parallel type='null'/>",
    "channel": "<channel type='null'><target type='virtio' name='org.x.0'/></channel>",
    "channel again": "<channel type='null'><target type='virtio' name='org.x.0'/></channel>",
    "channel forward": "<channel type='null'><target type='guestfwd' address='10.0.2.1' "
    "port='4600'/></channel>",
    "hostdev usb": _USB,
    "hostdev pci": _PCI.format("yes"), "hostdev pci unmanaged": _PCI.format("no"),
    "hostdev scsi": _SCSI,
    "hostdev mdev": "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
    "<address uuid='11111111-2222-3333-4444-555555555555'/></source></hostdev>",
    "filesystem 9p": "<filesystem type='mount'><source dir='/tmp'/><target dir='share'/>"
    "</filesystem>",
    "filesystem virtiofs": "<filesystem type='mount'><driver type='virtiofs'/><source dir='/tmp'/>"
    "<target dir='fs'/></filesystem>",
}  # fmt: skip

#: What a guest that is paused lets go.
QUICK = ("disk usb", "input usb", "redirdev", "redirdev spice", "serial usb", "disk scsi",
         "cdrom scsi", "channel", "console", "channel again", "hostdev scsi")  # fmt: skip
#: What nothing that runs lets go, so that nobody waits for it.
REFUSED = ("disk sata", "disk ide", "disk fdc", "cdrom sata", "sound", "audio", "video", "hub",
           "graphics", "panic", "nvram", "tpm", "smartcard", "iommu", "balloon", "crypto",
           "controller usb", "controller pci", "controller sata", "controller ide",
           "controller fdc", "controller ccid", "controller scsi again", "input ps2",
           "input evdev", "watchdog ib700", "serial isa", "parallel", "console serial",
           "hostdev usb", "hostdev pci", "hostdev mdev",
           "filesystem 9p", "card unknown", "memory large", "channel forward")  # fmt: skip

#: What libvirt 9 refuses by another code only since it looks at the document first, and what loses
#: its address there.
CHECKED_LATER = ("disk usb", "cdrom usb", "redirdev spice", "filesystem virtiofs")


class Session:
    """The guest, and what is heard of it."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.events: list[Any] = []
        self.before: list[list[Any]] = [[], []]
        for name in ("DEVICE_ADDED", "DEVICE_REMOVED", "DEVICE_REMOVAL_FAILED"):
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            conn.domainEventRegisterAny(
                None, number, lambda *args: self.events.append([args[-1], *args[2:-1]]), name
            )
        self.guest: Any = None

    def step(self, name: str, action: Callable[..., Any], *args: Any) -> bool:
        """Takes a step and tells what came of it; whether it was done."""
        del self.events[:]
        answer: Any = "done"
        try:
            action(*args)
        except libvirt.libvirtError as error:
            # Of what the host lacks, who looked differs.
            found = error.get_error_code()
            answer = [found, error.get_error_domain() if found != 38 else 0]
        end = time.monotonic() + (0.05 if answer == "done" and args[-1] & LIVE else 0)
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()
        told = [name, answer, list(self.events)]
        for number in (0, 1) if answer == "done" else ():
            before, self.before[number] = self.before[number], self.devices(2 * number)
            told.append([device for device in self.before[number] if device not in before])
        print(json.dumps(told), flush=True)
        return bool(answer == "done")

    def devices(self, flags: int) -> list[str]:
        """Every device of a document, as text."""
        found = []
        for device in ET.fromstring(self.guest.XMLDesc(flags)).find("devices") or ():
            for source in device.iter("source"):
                source.attrib.pop("index", None)  # libvirt counts those that it refused
            found.append(ET.canonicalize(ET.tostring(device), strip_text=True))
        return found


def each(session: Session, image: str, name: str, document: str) -> None:
    """One device comes and goes in every way."""
    guest = session.guest
    document = document.replace("@IMAGE@", image)
    is_there = session.step(f"{name}: attach", guest.attachDeviceFlags, document, LIVE)
    session.step(f"{name}: update", guest.updateDeviceFlags, document, LIVE)
    if name in QUICK or name in REFUSED or not is_there:
        session.step(f"{name}: detach", guest.detachDeviceFlags, document, LIVE)
    session.step(f"{name}: attach config", guest.attachDeviceFlags, document, CONFIG)
    if name not in CHECKED_LATER:
        session.step(f"{name}: update config", guest.updateDeviceFlags, document, CONFIG)
    if name not in ("shmem", "watchdog", "channel"):
        session.step(f"{name}: detach config", guest.detachDeviceFlags, document, CONFIG)
    if name in QUICK:
        session.step(f"{name}: attach both", guest.attachDeviceFlags, document, LIVE | CONFIG)
        session.step(f"{name}: detach both", guest.detachDeviceFlags, document, LIVE | CONFIG)


def main(uri: str, directory: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(10, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(libvirt.open(uri))
    session.guest = session.conn.defineXML(GUEST)
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    session.before = [session.devices(0), session.devices(2)]
    for number, (name, document) in enumerate(DEVICES.items()):
        image = Path(directory) / f"class{number}.raw"
        if "@IMAGE@" in document:
            image.write_bytes(bytes(1 << 20))
            os.chmod(image, 0o666)
        each(session, str(image), name, document)
    session.guest.destroy()
    session.guest.undefine()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
