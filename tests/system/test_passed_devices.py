# SPDX-License-Identifier: Apache-2.0
"""USB and SCSI devices of a host are passed on to guests, in a test guest that has some.

The same session, by libvirt's binding, runs against libvirtd and then against ours, on the same
devices; its guests stay paused, for they are emulated twice over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import needs_libvirtd
from tests.system.devicehost import BIN, OURS, SESSIONS, THEIRS, DeviceHost, domain, uri
from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.long,
    *needs_libvirtd,
    pytest.mark.timeout(3600),
]

#: Sticks are hosts of SCSI too, as soon as somebody has looked at them: the controller comes
#: first, so that it is ``scsi_host0``.
MODULES = ("virtio_scsi", "sd_mod", "sg", "xhci_pci", "usb_storage", "usbhid")
UDEV = "/lib/systemd/systemd-udevd --daemon; udevadm trigger; udevadm settle"

#: A boot sector: it writes what follows it to the first serial port, and halts.
_WRITES = bytes.fromhex("31c0 8ed8 be157c baf803 ac 84c0 7403 ee ebf8 f4 ebfd")


def bootable(path: Path, text: str) -> Path:
    """A disk from which a guest boots that says *text*."""
    sector = (_WRITES + text.encode() + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    path.write_bytes(sector.ljust(8 << 20, b"\0"))
    return path


def _devices(directory: Path) -> Iterator[str]:
    yield from ("-device", "qemu-xhci,id=usb", "-device", "usb-tablet,bus=usb.0,port=1")
    yield from ("-device", "virtio-scsi-pci,id=scsi")
    for number in range(2):
        disk = bootable(directory / f"stick{number}", f"from stick {number}")
        yield from ("-drive", f"file={disk},if=none,id=stick{number},format=raw")
        stick = f"usb-storage,bus=usb.0,port={number + 2},drive=stick{number}"
        yield from ("-device", f"{stick},serial=STICK{number}")
    for number in range(3):
        disk = bootable(directory / f"unit{number}", f"from unit {number}")
        yield from ("-drive", f"file={disk},if=none,id=unit{number},format=raw")
        yield from ("-device", f"scsi-hd,bus=scsi.0,scsi-id=0,lun={number},drive=unit{number}")


@pytest.fixture(scope="module")
def host(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceHost]:
    devices = tuple(_devices(tmp_path_factory.mktemp("disks")))
    with HostGuest(MODULES, devices, 2048, "apparmor=1 security=apparmor") as guest:
        for script in (UDEV, OURS, THEIRS):
            guest.run(script, 900)
        yield DeviceHost(guest)


def without_numbers(step: Any) -> Any:
    """What a step says, without the numbers that the host gives a device anew each time."""
    if isinstance(step, list):
        return [without_numbers(each) for each in step]
    if isinstance(step, dict):
        return {name: without_numbers(each) for name, each in step.items()}
    if not isinstance(step, str):
        return step
    return re.sub(r'(device=")\d+|(Device \d+\.)\d+|(?<=/dev/sg)\d+', r"\1\2…", step)


def test_the_same_node_devices(host: DeviceHost) -> None:
    found = [host.guest.run(f"/usr/bin/python3 {SESSIONS}/hardware.py '{uri(who)}'", 600)
             for who in ("theirs", "ours")]  # fmt: skip
    # Made up where the firmware has none; and the kernel has no order of a group's members.
    theirs, ours = (sorted(re.sub("<uuid>.*</uuid>", "", text).splitlines()) for text in found)
    assert ours == theirs
    assert sum("<capability type='usb_device'>" in line for line in ours) > 3
    trees = [
        host.guest.run(f"virsh -c '{uri(who)}' nodedev-list --tree") for who in ("theirs", "ours")
    ]
    assert trees[1] == trees[0]


def test_the_same_session(host: DeviceHost) -> None:
    theirs, ours = (
        without_numbers(host.session("passed_devices", who)) for who in ("theirs", "ours")
    )
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1]]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)


STICK = """<hostdev mode='subsystem' type='usb'><source><vendor id='0x46f4'/>
<product id='0x0001'/><address bus='{}' device='{}'/></source><boot order='1'/></hostdev>"""
UNIT = """<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>
<address bus='0' target='0' unit='{}'/></source>{}</hostdev>"""
SERIAL = "<serial type='file'><source path='/run/said'/></serial>"


def said(host: DeviceHost, device: str) -> str:
    """What a guest says that boots from a device; it ends."""
    host.guest.run("rm -f /run/said")
    text = domain(
        "boots", device, SERIAL, "<controller type='scsi' index='0' model='virtio-scsi'/>"
    )
    host.write("guest.xml", text)
    host.virsh("create /run/guest.xml")
    # It is emulated twice over: how long that takes is the machine's affair.
    waiting = "until grep -qs '[0-9]' /run/said; do pgrep -f guest=boots >/run/pid; sleep .5; done"
    told = host.guest.run(f"{waiting}; cat /run/said", 1800)
    host.virsh("destroy boots")
    return told


def test_guests_boot_from_them(host: DeviceHost) -> None:
    place = (
        "cat /sys/bus/usb/devices/*/serial /dev/null; grep -l STICK1 /sys/bus/usb/devices/*/serial"
    )
    directory = host.guest.run(place).split()[-1].rpartition("/")[0]
    bus, device = host.guest.run(f"cat {directory}/busnum {directory}/devnum").split()
    assert "from stick 1" in said(host, STICK.format(bus, device))
    assert "from unit 2" in said(host, UNIT.format(2, "<boot order='1'/>"))


def test_a_unit_that_comes_back(host: DeviceHost) -> None:
    """It was taken out while a guest had it; libvirt 9 believes for ever that one has it."""
    host.create("one", UNIT.format(0, ""))
    host.guest.run("echo 1 >/sys/bus/scsi/devices/0:0:0:0/delete")
    host.write("unit.xml", UNIT.format(0, ""))
    host.virsh("detach-device one /run/unit.xml")
    host.guest.run("echo '- - -' >/sys/class/scsi_host/host0/scan; udevadm settle")
    host.create("two", UNIT.format(0, ""))
    for name in ("one", "two"):
        host.virsh(f"destroy {name}")


#: virtqemud started again, with guests that AppArmor confines.
CONFINING = f"""
mount -t securityfs securityfs /sys/kernel/security
kill $(pgrep -f bin/virtqemud); rm -f /run/own/run/libvirt/virtqemud-sock
echo 'security_driver = "apparmor"' >/run/own/etc/libvirt/qemu.conf
{BIN}/virtqemud --root /run/own >>/run/virtqemud.log 2>&1 &
for i in $(seq 1500); do [ -S /run/own/run/libvirt/virtqemud-sock ] && exit; sleep .2; done
cat /run/virtqemud.log; exit 1
"""
TABLET = """<hostdev mode='subsystem' type='usb'><source><vendor id='0x0627'/>
<product id='0x0001'/></source></hostdev>"""
RULES = "cat /run/own/etc/apparmor.d/libvirt/libvirt-*.files"


def test_guests_that_apparmor_confines(host: DeviceHost) -> None:
    """What QEMU opens itself is in its profile as long as the guest has it."""
    host.guest.run(CONFINING, 400)
    controller = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    host.create("one", controller, UNIT.format(0, ""))
    confined = host.guest.run("cat /proc/$(pgrep -f guest=one)/attr/current")
    assert confined.startswith("libvirt-"), confined
    assert confined.strip().endswith("(enforce)"), confined
    before = host.guest.run(RULES)
    assert '"/dev/sg' in before
    for name, device in (("tablet", TABLET), ("unit", UNIT.format(1, ""))):
        host.write(f"{name}.xml", device)
        host.virsh(f"attach-device one /run/{name}.xml")
    rules = host.guest.run(RULES)
    assert rules.count('"/dev/sg') == 2
    assert '"/dev/bus/usb/0' in rules
    assert "USB Tablet" in host.virsh("qemu-monitor-command one --hmp 'info usb'")
    for name in ("tablet", "unit"):
        host.virsh(f"detach-device one /run/{name}.xml")
    assert host.guest.run(RULES) == before
    host.write("unit.xml", UNIT.format(0, ""))
    host.virsh("detach-device one /run/unit.xml")
    assert "/dev/" not in host.guest.run(RULES)
    assert 'apparmor="DENIED"' not in host.guest.run("dmesg").partition("libvirt-")[2]
    host.virsh("destroy one")
    assert "libvirt-" not in host.guest.run("cat /sys/kernel/security/apparmor/profiles")
