# SPDX-License-Identifier: Apache-2.0
"""What QEMU of a running guest may do and reach, read where the kernel shows it."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import embedded, end_all, qemu_processes
from virloom.client.connection import Connection
from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.confine.labels import enforce, relabelling
from virloom.drivers.qemu.confine.owners import OwnedFile
from virloom.drivers.qemu.confine.plugged_labels import label_files, plan_plugged
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, VirloomError
from virloom.host.release import release
from virloom.model.domain import Domain, Seclabel
from virloom.security import selinux
from virloom.security.dac import resolve_ids
from virloom.security.stack import enabled
from virloom.testing.documents import paused_guest_xml
from virloom.xml import parse_document

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root confines guests")

OWNER = Path(__file__).parents[1] / "fakes" / "owner.py"
PAUSED = DomainCreateFlags.START_PAUSED


def configure(root: Path, text: str) -> None:
    """What qemu.conf of a root says."""
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/qemu.conf").write_text(text)


@pytest.fixture
async def conn(root: Path) -> AsyncIterator[Connection]:
    """A driver whose guests are confined as those of the system's."""
    configure(root, 'namespaces = ["mount"]\nmax_files = 1000\nmax_processes = 5000\n')
    async with virloom.open(embedded(root)) as connection:
        yield connection
        await end_all(connection)


@contextlib.contextmanager
def loop_device(image: Path) -> Iterator[str]:
    """A block device of the host."""
    image.write_bytes(bytes(1 << 20))
    found = subprocess.run(
        ["losetup", "--find", "--show", image], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"no loop device: {found.stderr}")
    try:
        yield found.stdout.strip()
    finally:
        subprocess.run(["losetup", "--detach", found.stdout.strip()], check=True)


@pytest.fixture
def block(tmp_path: Path) -> Iterator[str]:
    with loop_device(tmp_path / "block.img") as device:
        yield device


def disk(path: Path | str, target: str, inside: str = "", kind: str = "file") -> str:
    """A disk's element."""
    where = "dev" if kind == "block" else "file"
    return (
        f"<disk type='{kind}' device='disk'><source {where}='{path}'>{inside}</source>"
        f"<target dev='{target}' bus='virtio'/>EXTRA</disk>"
    ).replace("EXTRA", "")


def image(path: Path, uid: int = 1234, gid: int = 1235) -> Path:
    """A raw image that belongs to somebody."""
    path.write_bytes(bytes(1 << 20))
    os.chown(path, uid, gid)
    return path


def owner(path: Path | str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_uid, status.st_gid


def pid_of(root: Path, name: str) -> int:
    (found,) = (pid for pid, guest in qemu_processes(root).items() if guest == name)
    return found


def fields(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def limit(pid: int, name: str) -> list[str]:
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            return line.removeprefix(name).split()[:2]
    raise LookupError(name)


async def test_what_the_kernel_shows(
    conn: Connection, root: Path, tmp_path: Path, block: str
) -> None:
    extra = disk(block, "vda", kind="block") + disk(image(tmp_path / "a.img"), "vdb")
    guest = await conn.create_xml(
        paused_guest_xml("shown", console="null", extra_devices=extra), PAUSED
    )
    pid, ids = pid_of(root, "shown"), resolve_ids(None, None)
    status = fields(pid)
    assert status["Uid"].split() == [str(ids.uid)] * 4
    assert set(map(int, status["Groups"].split())) == set(ids.groups)
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert limit(pid, "Max open files") == ["1001", "1001"]
    assert limit(pid, "Max processes") == ["5000", "5000"]
    assert limit(pid, "Max core file size") == ["0", "0"]
    dev = Path("/proc", str(pid), "root", "dev")
    usual = {"null", "full", "zero", "random", "urandom", "ptmx", "kvm", "pts", "shm"}
    there = {path.name for path in Path("/dev").iterdir()}
    names = {path.name for path in dev.iterdir()}
    assert usual & there <= names
    assert names <= usual | {Path(block).name, "mqueue", "hugepages"}
    node = os.stat(dev / Path(block).name)
    assert (node.st_uid, node.st_gid) == ids[:2]
    assert node.st_rdev == os.stat(block).st_rdev
    assert stat.S_ISBLK(node.st_mode)
    assert owner(block) == (0, 0)  # the host's own
    assert owner(tmp_path / "a.img") == ids[:2]
    mounts = Path(f"/proc/{pid}/mountinfo").read_text()
    assert " /dev rw,nosuid" in mounts
    await guest.destroy()
    assert owner(tmp_path / "a.img") == (1234, 1235)
    assert not any(name.startswith("trusted.") for name in os.listxattr(tmp_path / "a.img"))


async def test_a_guest_of_root_has_none_of_roots_rights(root: Path) -> None:
    configure(root, 'user = "root"\ngroup = "root"\nnamespaces = []\n')
    async with virloom.open(embedded(root)) as connection:
        await connection.create_xml(paused_guest_xml("rooted", console="null"), PAUSED)
        status = fields(pid_of(root, "rooted"))
        assert status["Uid"].split()[0] == "0"
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        await end_all(connection)


@pytest.mark.parametrize(
    ("label", "uid", "file"),
    [
        ("<seclabel type='static' model='dac'><label>+64123:+64124</label></seclabel>", 64123, 1),
        (
            "<seclabel type='static' model='dac' relabel='yes'><label>+64123:+64124</label>"
            "</seclabel>",
            64123,
            2,
        ),
        ("<seclabel type='none' model='dac'/>", None, 1),
        ("<seclabel type='dynamic' model='dac'/>", None, 2),
    ],
    ids=["static", "relabelling", "none", "dynamic"],
)
async def test_labels_of_a_guest(
    conn: Connection, root: Path, tmp_path: Path, label: str, uid: int | None, file: int
) -> None:
    """*file* is 1 where the image stays whose it was, 2 where it becomes QEMU's."""
    extra = disk(image(tmp_path / "a.img"), "vda")
    document = paused_guest_xml("labelled", console="null", extra_devices=extra)
    guest = await conn.create_xml(document.replace("</domain>", f"{label}</domain>"), PAUSED)
    wanted = resolve_ids(None, None).uid if uid is None else uid
    assert fields(pid_of(root, "labelled"))["Uid"].split()[0] == str(wanted)
    assert owner(tmp_path / "a.img")[0] == (1234 if file == 1 else wanted)
    await guest.destroy()
    assert owner(tmp_path / "a.img") == (1234, 1235)


async def test_labels_of_files(conn: Connection, tmp_path: Path) -> None:
    own = "<seclabel model='dac' relabel='yes'><label>+64123:+64124</label></seclabel>"
    kept = "<seclabel model='dac' relabel='no'/>"
    names = ("own", "kept", "shared", "read")
    paths = [image(tmp_path / name) for name in names]
    extra = disk(paths[0], "vda", own) + disk(paths[1], "vdb", kept)
    extra += disk(paths[2], "vdc").replace("</disk>", "<shareable/></disk>")
    extra += disk(paths[3], "vdd").replace("</disk>", "<readonly/></disk>")
    extra += f"<serial type='file'><source path='{tmp_path}/log'>{own}</source></serial>"
    guest = await conn.create_xml(
        paused_guest_xml("files", console="null", extra_devices=extra), PAUSED
    )
    assert owner(paths[0]) == (64123, 64124)
    assert {owner(path) for path in paths[1:]} == {(1234, 1235)}
    assert owner(tmp_path / "log") == (64123, 64124)
    await guest.destroy()
    assert {owner(path) for path in paths} == {(1234, 1235)}
    assert owner(tmp_path / "log") == (0, 0)


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ("<seclabel type='dynamic' model='selinux'/>", ConfigUnsupported),
        ("<seclabel type='static' model='apparmor'><label>x</label></seclabel>", ConfigUnsupported),
        ("<seclabel type='static' model='dac'><label>no-such:x</label></seclabel>", InvalidArg),
    ],
)
async def test_labels_that_cannot_be(
    conn: Connection, label: str, error: type[VirloomError]
) -> None:
    document = paused_guest_xml("refused", console="null")
    with pytest.raises(error):
        await conn.create_xml(document.replace("</domain>", f"{label}</domain>"), PAUSED)


async def test_two_guests_of_one_file(conn: Connection, tmp_path: Path) -> None:
    """A console's log that two write to: the last one to end gives it back."""
    port = f"<serial type='file'><source path='{tmp_path}/log'/></serial>"
    guests = [
        await conn.create_xml(paused_guest_xml(name, console="null", extra_devices=port), PAUSED)
        for name in ("first", "second")
    ]
    uid = resolve_ids(None, None).uid
    await guests[0].destroy()
    assert owner(tmp_path / "log")[0] == uid
    await guests[1].destroy()
    assert owner(tmp_path / "log")[0] == 0


def mounts_of_dev() -> list[str]:
    """What the host has mounted at and below ``/dev``, and every ``/dev`` of a guest's."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if " /dev" in line or " devfs " in line]


KILLED = ("owners-recorded", "owners-changed", "spawned", "process-recorded", "monitor-connected",
          "running", "stopping-recorded", "ended", "released")  # fmt: skip


@pytest.mark.parametrize("step", KILLED)
async def test_a_kill_leaves_no_owner_mount_or_process(
    root: Path, tmp_path: Path, step: str
) -> None:
    configure(root, 'namespaces = ["mount"]\n')
    mounts = mounts_of_dev()
    extra = disk(image(tmp_path / "a.img"), "vda")
    (tmp_path / "guest").write_text(paused_guest_xml("guest", console="null", extra_devices=extra))
    argv = [sys.executable, str(OWNER), str(root), step, str(tmp_path / "guest")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    async with virloom.open(embedded(root)) as conn:
        running = await conn.list_all_domains(1)
        assert len(running) == (step == "running")
        if running:
            assert owner(tmp_path / "a.img") == resolve_ids(None, None)[:2]
            assert " /dev rw,nosuid" in Path(f"/proc/{pid_of(root, 'guest')}/mountinfo").read_text()
            await end_all(conn)
        assert qemu_processes(root) == {}
    assert owner(tmp_path / "a.img") == (1234, 1235)
    assert not any(name.startswith("trusted.") for name in os.listxattr(tmp_path / "a.img"))
    assert mounts_of_dev() == mounts
    assert list((root / "run/qemu").glob("*.json")) == []


async def test_labels_of_selinux_are_put_back(tmp_path: Path) -> None:
    """The attribute can be set without the model: what is done to files is done here too."""
    first, second = image(tmp_path / "first"), image(tmp_path / "second")
    selinux.relabel(str(first), "a:b:before:s0")
    label = Seclabel(type="dynamic", model="selinux", label="a:b:qemu:s0", imagelabel="a:b:img:s0")
    files = [OwnedFile(str(first)), OwnedFile(str(second), label="a:b:own:s0")]
    labelling = relabelling(files, label)
    assert labelling.exec_labels == [(selinux.EXEC_FILE, "a:b:qemu:s0")]
    await enforce(labelling)
    assert selinux.current(str(first)) == "a:b:img:s0"
    assert selinux.current(str(second)) == "a:b:own:s0"
    for _ in range(2):
        assert release(labelling.resources) == []
        assert selinux.current(str(first)) == "a:b:before:s0"
        assert selinux.current(str(second)) == ""


def test_a_device_that_is_plugged_in_has_its_files_labelled(tmp_path: Path) -> None:
    """Those of no other device, and none that another device of the guest has."""
    here, other = image(tmp_path / "here"), image(tmp_path / "other")
    selinux.relabel(str(here), "a:b:before:s0")
    disks = "".join(
        f"<disk type='file'><source file='{path}'/><target dev='vd{letter}'/>"
        f"<alias name='ua-{letter}'/></disk>"
        for path, letter in ((here, "a"), (other, "b"))
    )
    label = (
        "<seclabel type='dynamic' model='selinux' relabel='yes'><label>a:b:qemu:s0</label>"
        "<imagelabel>a:b:img:s0</imagelabel></seclabel>"
    )
    dom = parse_document(
        Domain, f"<domain type='qemu'><name>g</name><devices>{disks}</devices>{label}</domain>"
    )
    chains = {
        f"ua-{name}": (ImageLayer(str(path), "raw", False, "file"),)
        for path, name in ((here, "a"),)
    }
    planned = plan_plugged(dom, chains, "ua-a", [])
    label_files(planned)
    assert [selinux.current(str(path)) for path in (here, other)] == ["a:b:img:s0", ""]
    assert {item["alias"] for item in planned} == {"ua-a"}
    assert plan_plugged(dom, chains, "ua-a", planned) == []
    assert release(planned) == []
    assert selinux.current(str(here)) == "a:b:before:s0"
    dom.seclabels[0].relabel = False
    assert plan_plugged(dom, chains, "ua-a", []) == []


def test_a_profile_is_taken_out_by_its_name(tmp_path: Path) -> None:
    place = tmp_path / ".remove"
    resource = {"kind": "profile", "path": str(place), "name": "libvirt-1"}
    place.touch()
    assert release([resource]) == []
    assert place.read_text() == "libvirt-1"
    assert release([resource | {"path": str(tmp_path / "nowhere" / "x")}]) == []


async def test_a_driver_that_would_confine_too_little(root: Path) -> None:
    if enabled("selinux"):
        pytest.skip("this kernel has SELinux")
    configure(root, 'security_driver = "selinux"\n')
    with pytest.raises(ConfigUnsupported, match="selinux"):
        await virloom.open(embedded(root))


async def test_devices_that_come_and_go(root: Path, tmp_path: Path, block: str) -> None:
    configure(root, 'namespaces = ["mount"]\n')
    file, ids = image(tmp_path / "a.img"), resolve_ids(None, None)
    devices = [
        disk(where, target, kind=kind).replace("virtio", "usb")
        for where, target, kind in ((block, "sda", "block"), (file, "sdb", "file"))
    ]
    usb = "<controller type='usb' model='qemu-xhci'/>"
    document = paused_guest_xml("plugged", console="null", extra_devices=usb)
    async with virloom.open(embedded(root)) as conn:
        guest = await conn.create_xml(document, PAUSED)
        node = Path("/proc", str(pid_of(root, "plugged")), "root", block.removeprefix("/"))
        for device in devices:
            await guest.devices.attach(device, 1)
        assert (node.stat().st_uid, node.stat().st_gid) == ids[:2]
        assert owner(file) == ids[:2]
        assert owner(block) == (0, 0)
        broken = disk(tmp_path / "none", "sdc").replace("virtio", "usb")
        with pytest.raises(VirloomError):
            await guest.devices.attach(broken, 1)
    async with virloom.open(embedded(root)) as conn:  # who finds the guest finds its /dev
        guest = await conn.lookup_by_name("plugged")
        assert node.exists()
        for device in devices:
            await guest.devices.detach(device, 1)
        assert not node.exists()
        assert (node.parent / "null").exists()
        assert owner(file) == (1234, 1235)
        for device in devices:
            await guest.devices.attach(device, 1)
        assert node.exists()
        await end_all(conn)
    assert owner(file) == (1234, 1235)
    assert owner(block) == (0, 0)


@pytest.fixture
def huge() -> Iterator[Path]:
    """A hugetlbfs that others may reach, with pages for a small guest."""
    count = Path("/proc/sys/vm/nr_hugepages")
    before = int(count.read_text())
    place = Path(tempfile.mkdtemp(prefix="huge"))
    place.chmod(0o755)
    mount = ["mount", "-t", "hugetlbfs", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("no hugetlbfs can be mounted")
    try:
        count.write_text(str(before + 20))
        if int(count.read_text()) < before + 20:
            pytest.skip("the host has no memory for huge pages")
        yield place
    finally:
        count.write_text(str(before))
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


async def test_memory_in_huge_pages(root: Path, huge: Path) -> None:
    configure(root, f'namespaces = ["mount"]\nhugetlbfs_mount = "{huge}"\n')
    backing = "<memoryBacking><hugepages/></memoryBacking><os>"
    document = paused_guest_xml("paged", console="null", memory_mib=32)
    async with virloom.open(embedded(root)) as conn:
        guest = await conn.create_xml(document.replace("<os>", backing), PAUSED)
        (directory,) = huge.glob("libvirt/qemu/*/1-paged")
        assert owner(directory) == resolve_ids(None, None)[:2]
        maps = Path(f"/proc/{pid_of(root, 'paged')}/smaps").read_text()
        assert "KernelPageSize:     2048 kB" in maps
        await guest.destroy()
        assert not directory.exists()
        other = backing.replace("<hugepages/>", "<hugepages><page size='1048576'/></hugepages>")
        with pytest.raises(InternalError, match="1048576 KiB"):
            await conn.create_xml(document.replace("<os>", other), PAUSED)
    configure(root, "hugetlbfs_mount = []\n")
    async with virloom.open(embedded(root)) as conn:
        with pytest.raises(InternalError, match="no hugetlbfs"):
            await conn.create_xml(document.replace("<os>", backing), PAUSED)
