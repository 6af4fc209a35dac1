# SPDX-License-Identifier: Apache-2.0
"""Pools of LVM's groups, NFS and iSCSI, in a guest whose kernel has them: ours beside libvirtd 9.

The same session, by libvirt's binding, runs against libvirtd and then against ours, on the same
disk or server. What differs is said here, line by line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import needs_libvirtd
from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.timeout(2400),
    pytest.mark.long,
    *needs_libvirtd,
]
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
SESSIONS = ROOT / "tests" / "interop" / "sessions"
MODULES = (
    "virtio_blk", "dm_mod", "dm_snapshot", "dm_mirror", "dm_raid", "dm_thin_pool", "loop", "ext4",
    "nfs", "nfsd", "sd_mod", "iscsi_tcp",
)  # fmt: skip

#: What both daemons and the servers need of a host that has just been started.
HOST = """
for place in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/lvm/backup \
    /etc/lvm/archive /etc/iscsi/nodes /etc/iscsi/ifaces /etc/iscsi/send_targets /var/lib/nfs; do
    mkdir -p $place; mount -t tmpfs -o mode=755 private $place
done
mkdir -p /run/lock/iscsi /run/lvm /run/theirs /run/own /mnt/theirs /mnt/own
/lib/systemd/systemd-udevd --daemon; udevadm trigger; udevadm settle
"""
DAEMONS = f"""
mkdir -p /run/own/etc/libvirt
printf 'security_driver = "none"\\n' | tee /etc/libvirt/qemu.conf >/run/own/etc/libvirt/qemu.conf
printf 'unix_sock_dir = "/run/theirs"\\nauth_unix_rw = "none"\\n' >/run/theirs/conf
/usr/sbin/libvirtd --config /run/theirs/conf >/run/theirs/log 2>&1 &
{BIN}/libvirtd --root /run/own >/run/own/log 2>&1 &
for socket in /run/theirs/libvirt-sock /run/own/run/libvirt/libvirt-sock; do
    for i in $(seq 600); do [ -S $socket ] && break; sleep .2; done
    [ -S $socket ] || {{ cat /run/*/log; exit 1; }}
done
"""
NFS = """
mkfs.ext4 -q /dev/vdb; mkdir /srv/nfs; mount /dev/vdb /srv/nfs; mkdir /srv/nfs/pool
mount -t nfsd nfsd /proc/fs/nfsd
mkdir -p /var/lib/nfs/sm /var/lib/nfs/v4recovery; touch /var/lib/nfs/etab /var/lib/nfs/rmtab
rpcbind -w; rpc.statd --no-notify
echo '/srv/nfs/pool 127.0.0.1(rw,no_root_squash,no_subtree_check,insecure)' >/etc/exports
exportfs -ra; rpc.nfsd 2; rpc.mountd
"""
TARGET = "iqn.2026-11.org.virloom:store"
ISCSI = f"""
tgtd; truncate -s 20M /run/unit
for i in $(seq 100); do tgtadm --op show --mode sys >/dev/null 2>&1 && break; sleep .1; done
tgtadm --op new --mode target --tid 1 -T {TARGET}
tgtadm --op new --mode logicalunit --tid 1 --lun 1 -b /dev/vdc
tgtadm --op new --mode logicalunit --tid 1 --lun 2 -b /run/unit
tgtadm --op new --mode target --tid 2 -T {TARGET}-locked
tgtadm --op new --mode logicalunit --tid 2 --lun 1 -b /dev/vdc
tgtadm --op new --mode account --user joe --password secret123456
tgtadm --op bind --mode account --tid 2 --user joe
tgtadm --op bind --mode target --tid 1 -I ALL; tgtadm --op bind --mode target --tid 2 -I ALL
echo InitiatorName=iqn.2026-11.org.virloom:me >/etc/iscsi/initiatorname.iscsi
iscsid
"""
URIS = {
    "theirs": "qemu+unix:///system?socket=/run/theirs/libvirt-sock",
    "own": "qemu+unix:///system?socket=/run/own/run/libvirt/libvirt-sock",
}


@pytest.fixture(scope="module")
def guest(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostGuest]:
    directory, options = tmp_path_factory.mktemp("disks"), []
    for number in range(4):
        disk = directory / f"disk{number}"
        disk.touch()
        os.truncate(disk, 200 << 20)
        options += ["-drive", f"file={disk},if=none,id=d{number},format=raw,cache=unsafe"]
        options += ["-device", f"virtio-blk-pci,drive=d{number}"]
    with HostGuest(MODULES, options, 1536) as started:
        started.run(HOST, 900)
        yield started


@pytest.fixture(scope="module")
def daemons(guest: HostGuest) -> None:
    guest.run(DAEMONS, 900)


@pytest.fixture(scope="module")
def nfs(guest: HostGuest) -> str:
    """What 127.0.0.1 exports."""
    guest.run(NFS)
    return "/srv/nfs/pool"


@pytest.fixture(scope="module")
def iscsi(guest: HostGuest) -> str:
    """A target of 127.0.0.1, with two units."""
    guest.run(ISCSI)
    return TARGET


def session(guest: HostGuest, who: str, name: str, *words: str) -> list[Any]:
    """What the session prints, step by step."""
    script = f"{SESSIONS}/{name}.py '{URIS[who]}' /mnt/{who}"
    told = guest.run(f"/usr/bin/python3 {script} {' '.join(words)}", 1200)
    return [json.loads(line) for line in told.splitlines() if line.startswith("[")]


def assert_same(guest: HostGuest, name: str, *words: str) -> None:
    """Ours and libvirt's say the same at each step."""
    theirs, ours = (session(guest, who, f"storage_{name}", *words) for who in ("theirs", "own"))
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1]]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)


def killed(guest: HostGuest, part: str, device: str) -> None:
    """virtstoraged is killed at each step of a part of its work."""
    program = f"{sys.executable} -m tests.system.killed_pools {part} {device}"
    guest.run(f"cd {ROOT}; PYTHONDONTWRITEBYTECODE=1 {program}", 2000)


@pytest.mark.usefixtures("daemons")
def test_groups_of_lvm(guest: HostGuest) -> None:
    assert_same(guest, "logical", "/dev/vda")
    assert guest.run("vgs --noheadings; pvs --noheadings") == ""


@pytest.mark.usefixtures("daemons")
def test_encrypted_partitions(guest: HostGuest) -> None:
    assert_same(guest, "disk", "/dev/vda", "encrypted")


@pytest.mark.usefixtures("daemons")
def test_file_systems_of_nfs(guest: HostGuest, nfs: str) -> None:
    assert_same(guest, "netfs", nfs)


@pytest.mark.usefixtures("daemons")
@pytest.mark.parametrize("way", ["iscsi", "iscsi_direct"])
def test_units_of_iscsi(guest: HostGuest, iscsi: str, way: str) -> None:
    assert_same(guest, way, iscsi)


@pytest.mark.usefixtures("daemons")
def test_volumes_that_lvm_made(guest: HostGuest) -> None:
    """Striped, mirrored, of RAID, snapshots, thin ones, with odd names."""
    words = ("storage_lvm_kinds", "/dev/vda", "/dev/vdd", "seen")
    theirs, ours = (session(guest, who, *words) for who in ("theirs", "own"))
    assert theirs.pop() == ["thin", []]
    assert ours.pop() == ["thin", ["thin", "thin-2", "thin-snapshot"]]
    guest.run("vgremove -ff -y kinds-a_b+c.d; pvremove -y /dev/vda /dev/vdd")
    different = [pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1]]
    assert not different, different


@pytest.mark.usefixtures("daemons")
def test_each_state_of_groups(guest: HostGuest) -> None:
    assert_same(guest, "states", "/dev/vda", "logical")


@pytest.mark.usefixtures("daemons")
def test_each_state_of_nfs(guest: HostGuest, nfs: str) -> None:
    assert_same(guest, "states", nfs, "netfs")


@pytest.mark.usefixtures("daemons")
def test_each_state_of_iscsi(guest: HostGuest, iscsi: str) -> None:
    assert_same(guest, "states", iscsi, "iscsi")


@pytest.mark.usefixtures("daemons")
def test_guests_of_volumes(guest: HostGuest, iscsi: str) -> None:
    told = dict(session(guest, "own", "boots_of_a_host", "/dev/vda", iscsi))
    assert (told["lvm booted"], told["iscsi booted"]) == (True, True)


@pytest.mark.parametrize("part", ["groups", "deletions", "volumes"])
def test_lvm_at_each_kill(guest: HostGuest, part: str) -> None:
    killed(guest, part, "/dev/vda")


def test_nfs_at_each_kill(guest: HostGuest, nfs: str) -> None:
    killed(guest, "exports", nfs)


def test_iscsi_at_each_kill(guest: HostGuest, iscsi: str) -> None:
    killed(guest, "targets", iscsi)
