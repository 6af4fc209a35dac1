# SPDX-License-Identifier: Apache-2.0
"""Logical volumes and SCSI disks are leased by what each host knows them by, in a test guest.

With libvirt's daemons and then with ours; guests stay paused or run nothing, emulated twice over.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.reference import needs_libvirtd
from tests.system.devicehost import BIN, THEIRS, DeviceHost, domain, uri
from tests.system.hostguest import HostGuest

pytestmark = [pytest.mark.long, *needs_libvirtd, pytest.mark.timeout(3600)]

MODULES = ("virtio_blk", "virtio_scsi", "sd_mod", "sg", "dm_mod")
SPACES = "".join(
    f'{kind}_lockspace_dir = "/run/spaces/{kind}"\\n' for kind in ("file", "lvm", "scsi")
)

#: Devices, and what both families of daemons are told.
HOST = f"""
mkdir -p /run/spaces/file /run/spaces/lvm /run/spaces/scsi /run/lock
for place in /etc/lvm/backup /etc/lvm/archive; do
    mkdir -p $place; mount -t tmpfs -o mode=755 private $place
done
/lib/systemd/systemd-udevd --daemon; udevadm trigger; udevadm settle
vgcreate -q group /dev/vda; lvcreate -q -y -n one -L 4M group; lvcreate -q -y -n two -L 4M group
truncate -s 4M /run/image
mkdir -p /run/own/etc/libvirt
printf 'security_driver = "none"\\nlock_manager = "lockd"\\n' >/run/own/etc/libvirt/qemu.conf
printf '{SPACES}' >/run/own/etc/libvirt/qemu-lockd.conf
"""
OURS = f"""
for daemon in virtlockd virtqemud; do
    {BIN}/$daemon --root /run/own >>/run/$daemon.log 2>&1 &
done
for i in $(seq 1500); do [ -S /run/own/run/libvirt/virtqemud-sock ] && exit; sleep .2; done
cat /run/virt*.log; exit 1
"""
LOCKED = """
mkdir -p /etc/libvirt /run/libvirt
/usr/sbin/virtlockd -d
"""
_LOCKD = f"""
printf 'lock_manager = "lockd"\\n' >>/etc/libvirt/qemu.conf
printf '{SPACES}' >/etc/libvirt/qemu-lockd.conf
/usr/sbin/libvirtd --config"""

DISKS = {
    "volume": "<disk type='block'><source dev='/dev/group/one'/><target dev='vda'/></disk>",
    "volume by another name": (
        "<disk type='block'><source dev='/dev/mapper/group-one'/><target dev='vda'/></disk>"
    ),
    "two volumes": (
        "<disk type='block'><source dev='/dev/group/two'/><target dev='vda'/></disk>"
        "<disk type='block'><source dev='/dev/group/one'/><target dev='vdb'/><shareable/></disk>"
    ),
    "unit": "<disk type='block'><source dev='/dev/sda'/><target dev='vda'/></disk>",
    "unit that is read": (
        "<disk type='block'><source dev='/dev/sda'/><target dev='vda'/><readonly/></disk>"
    ),
    "unit without a serial number": (
        "<disk type='block'><source dev='/dev/sdb'/><target dev='vda'/></disk>"
    ),
    "plain device": "<disk type='block'><source dev='/dev/vdb'/><target dev='vda'/></disk>",
    "file": "<disk type='file'><source file='/run/image'/><target dev='vda'/></disk>",
}


@pytest.fixture(scope="module")
def host(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceHost]:
    options = ["-device", "virtio-scsi-pci,id=scsi"]
    for number in range(2):
        disk = tmp_path_factory.mktemp("disks") / f"disk{number}"
        disk.write_bytes(b"")
        with disk.open("r+b") as file:
            file.truncate(32 << 20)
        options += ["-drive", f"file={disk},if=none,id=d{number},format=raw,cache=unsafe"]
        options += ["-device", f"virtio-blk-pci,drive=d{number}"]
    for number, serial in enumerate((",serial=UNIT1,wwn=0x5000c50015ea71ac", "")):
        options += ["-blockdev", f"null-co,node-name=unit{number},size=8388608,read-zeroes=on"]
        options += ["-device", f"scsi-hd,bus=scsi.0,scsi-id={number},drive=unit{number}{serial}"]
    with HostGuest(MODULES, options, 2048) as guest:
        theirs = THEIRS.replace("/usr/sbin/libvirtd --config", _LOCKD)
        for script in (HOST, OURS, LOCKED, theirs):
            guest.run(script, 900)
        yield DeviceHost(guest)


def leased(host: DeviceHost, who: str, name: str, disks: str) -> str:
    """What is locked while a guest runs that has the disks."""
    host.write("guest.xml", domain(name, disks))
    virsh = f"virsh -c {uri(who)}"
    host.guest.run(f"{virsh} create /run/guest.xml", 600)
    found = host.guest.run("cd /run/spaces; ls -1 file lvm scsi")
    host.guest.run(f"{virsh} destroy {name}")
    return found


def test_the_same_keys(host: DeviceHost) -> None:
    uuid = host.guest.run("lvs --noheadings -o uuid /dev/group/one").strip()
    for what, disks in DISKS.items():
        expected = leased(host, "theirs", "one", disks)
        assert leased(host, "ours", "one", disks) == expected, what
        if what.startswith("volume"):
            assert uuid in expected
