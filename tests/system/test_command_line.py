# SPDX-License-Identifier: Apache-2.0
"""Real QEMUs from our command line: they boot, and their hardware is what libvirt 9 gives."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
import signal
import subprocess
import time
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from virloom.drivers.qemu.block.chain import disk_chain
from virloom.drivers.qemu.capabilities import BinaryCaps, CapabilityCache, Parts, find_emulator
from virloom.drivers.qemu.command.builder import build
from virloom.drivers.qemu.command.context import BuildContext, CommandLine
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.monitor import Monitor
from virloom.host.files import Directory
from virloom.host.process import SpawnRequest, spawn
from virloom.model.domain import Domain
from virloom.testing import guest
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml
from virloom.xml import parse_document

SYSTEM_PYTHON = "/usr/bin/python3"

#: What a guest can see of its machine, as QEMU's human monitor tells it.
VIEWS = ("info qtree", "info pci", "info mtree -f", "info network", "info memory_size_summary")

#: Properties of the machine that are how it was started, not what the guest sees.
OWN_WAY = {"kernel", "initrd", "append", "dtb", "firmware"}

# Starts each document paused in a private libvirt, and answers with the running document and
# what its QEMU says of the machine.
REFERENCE = """
import json, libvirt, libvirt_qemu, sys
libvirt.virEventRegisterDefaultImpl()
libvirt.registerErrorHandler(lambda *_: None, None)
request = json.load(sys.stdin)
connection = libvirt.open("qemu:///embed?root=" + request["root"])
answers = {}
for name, text in request["documents"].items():
    domain = connection.createXML(text, libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        def human(line):
            return libvirt_qemu.qemuMonitorCommand(domain, line, 1)
        def qmp(command, **arguments):
            line = json.dumps({"execute": command, "arguments": arguments})
            return json.loads(libvirt_qemu.qemuMonitorCommand(domain, line, 0))["return"]
        answers[name] = {"xml": domain.XMLDesc(0)}
        answers[name]["views"] = {view: human(view) for view in request["views"]}
        answers[name]["machine"] = {
            p["name"]: qmp("qom-get", path="/machine", property=p["name"])
            for p in qmp("qom-list", path="/machine")
            if p["type"] in ("bool", "string", "str", "OnOffAuto", "int", "size", "uint64")
        }
    finally:
        domain.destroy()
json.dump(answers, sys.stdout)
"""

BOOT = "<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>console=ttyS0</cmdline>"

DEVICES = """
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
  <source file='{images}/top.qcow2'/><target dev='vda' bus='virtio'/><serial>S 1</serial>{at}</disk>
<disk type='file' device='disk'><driver name='qemu' type='raw' io='threads'/>
  <source file='{images}/b, "odd" name.raw'/><target dev='vdb' bus='virtio'/><readonly/>{at}</disk>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>{at}</interface>
<serial type='pty'/><serial type='file'><source path='{images}/serial.log'/></serial>
<console type='pty'/>
<controller type='virtio-serial' index='0'>{at}</controller>
<channel type='null'><target type='virtio' name='org.virloom.0'/></channel>
<rng model='virtio'><rate bytes='1024'/><backend model='random'>/dev/urandom</backend>{at}</rng>
"""

PCI_DEVICES = """
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
  <source file='{images}/c.raw'/><target dev='sda' bus='{bus}'/><boot order='1'/></disk>
<disk type='file' device='cdrom'><target dev='sdb' bus='{bus}'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
  <source file='{images}/d.raw'/><target dev='sdc' bus='usb'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
  <source file='{images}/e.raw'/><target dev='sdd' bus='scsi'/></disk>
<controller type='scsi' index='0' model='virtio-scsi'/>
<interface type='user'><mac address='52:54:00:00:00:02'/><model type='e1000'/></interface>
<input type='tablet' bus='usb'/><input type='keyboard' bus='virtio'/>
<video><model type='vga' vram='16384'/></video>
<graphics type='vnc' socket='{images}/vnc.sock'/>
<sound model='ich9'/><watchdog model='i6300esb' action='reset'/><panic model='isa'/>
<memballoon model='virtio' autodeflate='on'/>
"""

MACHINES = {
    "q35": (DEVICES + PCI_DEVICES, {"at": "", "bus": "sata"}, ""),
    "pc": (DEVICES + PCI_DEVICES, {"at": "", "bus": "ide"}, ""),
    "microvm": (
        DEVICES + "<memballoon model='none'/><controller type='usb' model='none'/>",
        {"at": "<address type='virtio-mmio'/>"},
        "",
    ),
}


def document(machine: str, images: Path) -> str:
    """A document with one of nearly everything that the machine can have."""
    devices, names, _ = MACHINES[machine]
    boot = BOOT.format(kernel=guest.kernel(), initrd=guest.initramfs())
    body = devices.replace('"', "&quot;").format(images=images, **names)
    return (
        f"<domain type='qemu'><name>{machine}</name><memory unit='MiB'>128</memory>"
        f"<vcpu current='1'>2</vcpu><os><type arch='x86_64' machine='{machine}'>hvm</type>{boot}"
        "</os><features><acpi/><apic/></features>"
        "<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/></clock>"
        f"<devices>{body}</devices></domain>"
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("images")
    for name in ('b, "odd" name.raw', "c.raw", "d.raw", "e.raw"):
        (directory / name).touch()
        os.truncate(directory / name, 1 << 20)
    make = ("qemu-img", "create", "-q", "-f", "qcow2")
    subprocess.run([*make, directory / "base.qcow2", "1M"], check=True)
    subprocess.run([*make, "-F", "qcow2", "-b", "base.qcow2", directory / "top.qcow2"], check=True)
    return directory


@pytest.fixture(scope="module")
def reference(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What libvirt 9 makes of each machine's document."""
    probe = [SYSTEM_PYTHON, "-c", "import libvirt, libvirt_qemu"]
    if subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("python3-libvirt is not installed")
    root = tmp_path_factory.mktemp("libvirt")
    settings = root / "etc" / "qemu.conf"
    settings.parent.mkdir()
    settings.write_text('stdio_handler = "file"\nremember_owner = 0\n')
    if os.geteuid() == 0:
        with settings.open("a") as file:
            file.write('user = "root"\ngroup = "root"\n')
    request = {
        "root": str(root),
        "views": VIEWS,
        "documents": {machine: document(machine, images) for machine in MACHINES},
    }
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", REFERENCE],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.fixture
async def caps(tmp_path: Path) -> AsyncIterator[BinaryCaps]:
    cache = CapabilityCache(tmp_path / "cache")
    yield await cache.get(find_emulator("x86_64"), Parts.BASE)
    await cache.close()


@asynccontextmanager
async def started(
    dom: Domain, caps: BinaryCaps, tmp_path: Path, *, user: int | None = None
) -> AsyncIterator[tuple[Monitor, CommandLine]]:
    """A QEMU for *dom*, paused, and its monitor; killed at the end if it is still there."""
    with ExitStack() as stack:
        chains = {
            disk.alias.name: chain
            for disk in dom.devices.disks
            if disk.alias is not None and disk.alias.name and (chain := disk_chain(disk))
        }
        files = {}
        for request in plan_files(dom, chains):
            files[request.key] = os.open(request.path, request.flags, 0o600)
            stack.callback(os.close, files[request.key])
        with Directory(tmp_path) as directory:
            listener = stack.enter_context(directory.listen_unix("monitor.sock"))
        context = BuildContext(
            guest_name=dom.name,
            monitor_fd=listener.fileno(),
            lib_dir=str(tmp_path),
            files=files,
            chains=chains,
            now=time.time(),
        )
        line = build(dom, caps, context)
        log = stack.enter_context((tmp_path / "qemu.log").open("wb"))
        passed = [listener.fileno(), *files.values()]
        spawning = SpawnRequest(
            line.argv, pass_fds=passed, stderr=log.fileno(), user=user, group=user
        )
        process = spawn(spawning)
    try:
        monitor = await Monitor.connect(tmp_path / "monitor.sock", guest=dom.name)
        try:
            yield monitor, line
        finally:
            monitor.close()
    except Exception as error:
        error.add_note((tmp_path / "qemu.log").read_text())
        raise
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        process.close()


async def human(monitor: Monitor, line: str) -> str:
    answer = await monitor.execute("human-monitor-command", **{"command-line": line})
    assert isinstance(answer, str)
    return answer


async def machine_properties(monitor: Monitor, names: Sequence[str]) -> dict[str, Any]:
    return {
        name: await monitor.execute("qom-get", path="/machine", property=name) for name in names
    }


def visible(view: str) -> list[str]:
    """The lines of a view; views of memory in an order of ours, for theirs is that of a hash."""
    blocks = re.split(r"FlatView #\d+\n", view.replace("\r", ""))
    ordered = []
    for block in blocks:
        lines = block.splitlines()
        spaces = sorted(line for line in lines if line.startswith(" AS "))
        ordered.append([*spaces, *(line for line in lines if not line.startswith(" AS "))])
    return [line for block in sorted(ordered) for line in block]


@pytest.mark.parity
@pytest.mark.parametrize("machine", MACHINES)
async def test_hardware_is_libvirts(
    machine: str, reference: dict[str, dict[str, Any]], caps: BinaryCaps, tmp_path: Path
) -> None:
    theirs = reference[machine]
    dom = parse_document(Domain, theirs["xml"])
    async with started(dom, caps, tmp_path) as (monitor, _):
        for view in VIEWS:
            assert visible(await human(monitor, view)) == visible(theirs["views"][view]), view
        expected = {k: v for k, v in theirs["machine"].items() if k not in OWN_WAY}
        assert await machine_properties(monitor, list(expected)) == expected


def completed(text: str, caps: BinaryCaps) -> Domain:
    """What a start is given for the document *text*."""
    dom = parse_document(Domain, text)
    prepare_definition(dom, caps)
    assign_aliases(dom)
    return dom


class Terminal:
    """The guest's serial console behind a pseudo terminal."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._fd)
        self._seen = bytearray()

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._fd)

    def send(self, line: str) -> None:
        """Types a line."""
        os.write(self._fd, line.encode() + b"\n")

    async def expect(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """Waits until the guest has written what matches *pattern*."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(60):
            while (found := pattern.search(self._seen)) is None:
                readable = loop.create_future()
                loop.add_reader(self._fd, readable.set_result, None)
                try:
                    await readable
                finally:
                    loop.remove_reader(self._fd)
                self._seen += os.read(self._fd, 4096)
        return found


async def console_of(monitor: Monitor) -> str:
    for device in await monitor.execute("query-chardev"):
        if device["filename"].startswith("pty:"):
            return str(device["filename"].removeprefix("pty:"))
    raise AssertionError("the guest has no pseudo terminal")


@pytest.mark.parametrize("machine", ["q35", "pc", "microvm"])
async def test_a_guest_boots_and_writes_to_its_disk(
    machine: str, caps: BinaryCaps, tmp_path: Path
) -> None:
    image = tmp_path / 'disk, "odd" näme.raw'
    image.touch()
    os.truncate(image, 1 << 20)
    dom = completed(tiny_guest_xml("tiny", machine=machine, disks=[image]), caps)
    async with started(dom, caps, tmp_path) as (monitor, _):
        terminal = Terminal(await console_of(monitor))
        try:
            await monitor.execute("cont")
            await terminal.expect(guest.READY_PATTERN)
            terminal.send("echo from the guest | dd of=/dev/vda conv=notrunc; sync; echo done: $?")
            await terminal.expect(re.compile(rb"done: 0"))
        finally:
            terminal.close()
    assert image.read_bytes()[:15] == b"from the guest\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
async def test_an_unprivileged_qemu_needs_no_right_to_the_images(
    caps: BinaryCaps, tmp_path: Path
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    image = tmp_path / "disk.raw"
    image.touch(mode=0o600)
    os.truncate(image, 1 << 20)
    dom = completed(tiny_guest_xml("tiny", machine="microvm", disks=[image]), caps)
    async with started(dom, caps, tmp_path, user=nobody) as (monitor, _):
        terminal = Terminal(await console_of(monitor))
        try:
            await monitor.execute("cont")
            await terminal.expect(guest.READY_PATTERN)
            terminal.send("echo from the guest > /dev/vda; sync; echo done: $?")
            await terminal.expect(re.compile(rb"done: 0"))
        finally:
            terminal.close()
    assert image.read_bytes()[:15] == b"from the guest\n"


DRIVE = "/machine/peripheral/virtio-disk0/virtio-backend"
CACHES = [
    ("qcow2", "cache='none' io='native'"),
    ("qcow2", "cache='directsync' discard='unmap' detect_zeroes='unmap'"),
    ("raw", "cache='unsafe' io='threads'"),
    ("raw", "cache='writethrough' io='io_uring'"),
    ("raw", "copy_on_read='on'"),
]


def make_image(path: Path, kind: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, "1M"], check=True)


def holds_pattern(path: Path, kind: str) -> bool:
    """Whether the image's first 64 KiB are all sevens."""
    command = ["qemu-io", "-f", kind, "-c", "read -P 7 0 64k", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and "verification failed" not in done.stdout


@pytest.mark.parametrize(("kind", "driver"), CACHES)
async def test_images_are_written_through_descriptors(
    kind: str, driver: str, caps: BinaryCaps, tmp_path: Path
) -> None:
    disks = ""
    # A USB disk gives its image from one device to another as QEMU starts, locks and all.
    for name, bus in (("vda", "virtio"), ("sda", "usb")):
        make_image(tmp_path / name, kind)
        disks += (
            f"<disk type='file' device='disk'><driver name='qemu' type='{kind}' {driver}/>"
            f"<source file='{tmp_path / name}'/><target dev='{name}' bus='{bus}'/></disk>"
        )
    dom = completed(paused_guest_xml("disks", extra_devices=disks), caps)
    async with started(dom, caps, tmp_path) as (monitor, _):
        assert not holds_pattern(tmp_path / "vda", kind), "the image is locked by QEMU"
        for command in ("write -P 7 0 64k", "flush"):
            answer = await human(monitor, f'qemu-io -d {DRIVE} "{command}"')
            assert "rror" not in answer
    assert holds_pattern(tmp_path / "vda", kind)


async def test_what_the_monitor_sets_before_the_guest_runs(
    caps: BinaryCaps, tmp_path: Path
) -> None:
    devices = (
        "<interface type='user'><model type='virtio'/><link state='down'/></interface>"
        "<memballoon model='virtio'><stats period='5'/></memballoon>"
        f"<graphics type='vnc' socket='{tmp_path}/vnc' passwd='x' "
        "passwdValidTo='2100-01-01T00:00:00'/>"
    )
    dom = completed(paused_guest_xml("set", extra_devices=devices), caps)
    async with started(dom, caps, tmp_path) as (monitor, line):
        assert [name for name, _ in line.commands] == ["set_link", "qom-set", "expire_password"]
        for protocol, password in line.passwords.items():
            await monitor.execute("set_password", protocol=protocol, password=password)
        for name, arguments in line.commands:
            await monitor.execute(name, **arguments)
        period = await monitor.execute(
            "qom-get", path="/machine/peripheral/balloon0", property="guest-stats-polling-interval"
        )
        assert period == 5
        assert (await monitor.execute("query-vnc"))["auth"] == "vnc"
