# SPDX-License-Identifier: Apache-2.0
"""One guest with a full kernel and many devices: what it sees of each, and what the host gets."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.conftest import full_kernel_boot
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainCreateFlags, DomainEventType
from virloom.testing.dialogue import Dialogue

pytestmark = pytest.mark.timeout(240)

MODULES = (
    "virtio_pci", "ahci", "sd_mod", "virtio_scsi", "xhci-pci", "usb-storage", "usbhid",
    "hid-generic", "e1000e", "virtio_net", "snd-hda-codec-generic", "snd-hda-intel",
    "9p", "9pnet_virtio", "virtio_mem", "virtio_pmem", "nd_pmem", "nfit", "virtio_console",
    "pvpanic-mmio",
)  # fmt: skip

HEAD = """
<domain type='qemu'><name>furnished</name>
<maxMemory slots='4' unit='MiB'>1024</maxMemory>
<memory unit='MiB'>576</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os><features><acpi/><apic/></features>
<cpu><numa><cell id='0' cpus='0' memory='256' unit='MiB'/></numa></cpu>
<on_crash>destroy</on_crash>
<devices>{devices}</devices></domain>
"""

DEVICES = """
<controller type='usb' model='qemu-xhci'/>
<controller type='scsi' model='virtio-scsi'/>
<disk type='file'><driver name='qemu' type='raw'/><source file='{place}/sata.raw'/>
  <target dev='sda' bus='sata'/><serial>SATA-1</serial></disk>
<disk type='file'><driver name='qemu' type='raw'/><source file='{place}/scsi.raw'/>
  <target dev='sdb' bus='scsi'/><serial>SCSI-1</serial></disk>
<disk type='file'><driver name='qemu' type='raw'/><source file='{place}/usb.raw'/>
  <target dev='sdc' bus='usb'/></disk>
<input type='tablet' bus='usb'/><input type='keyboard' bus='usb'/>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='e1000e'/>
  <acpi index='7'/></interface>
<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/></interface>
<sound model='ich9'><codec type='duplex'/></sound><audio id='1' type='none'/>
<filesystem type='mount' accessmode='squash'><source dir='{place}/nine'/>
  <target dir='nine'/></filesystem>
<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>
<memory model='virtio-mem'><target><size unit='MiB'>128</size><node>0</node>
  <block unit='MiB'>2</block><requested unit='MiB'>128</requested></target></memory>
<memory model='virtio-pmem' access='shared'><source><path>{place}/pmem</path></source>
  <target><size unit='MiB'>32</size></target></memory>
<memory model='nvdimm' access='shared'><source><path>{place}/nvdimm</path></source>
  <target><size unit='MiB'>32</size><node>0</node></target></memory>
<panic model='isa'/>
<serial type='pty'><target port='0'/></serial>
<serial type='tcp'><source mode='connect' host='127.0.0.1' service='{tcp}'/>
  <protocol type='raw'/><target port='1'/></serial>
<serial type='unix'><source mode='bind' path='{place}/serial'/><target port='2'/></serial>
<serial type='udp'><source mode='connect' host='127.0.0.1' service='{udp}'/>
  <source mode='bind' host='127.0.0.1' service='{bound}'/><target port='3'/></serial>
<channel type='unix'><source mode='bind' path='{place}/channel'/>
  <target type='virtio' name='org.example.bytes'/></channel>
"""


class Peers(NamedTuple):
    """The host's ends: what the serial ports and the channel reach, and the files."""

    place: Path
    tcp: socket.socket
    udp: socket.socket
    bound: int


@pytest.fixture
def peers() -> Iterator[Peers]:
    """Images, a shared directory and two listening sockets, where QEMU's user may go."""
    with (
        tempfile.TemporaryDirectory(prefix="virloom-devices-") as name,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        place = Path(name)
        place.chmod(0o755)
        for image, size in (("sata.raw", 8), ("scsi.raw", 9), ("usb.raw", 10)):
            (place / image).write_bytes(bytes(size << 20))
        for memory in ("pmem", "nvdimm"):
            (place / memory).write_bytes(bytes(32 << 20))
            (place / memory).chmod(0o666)
        (place / "nine").mkdir()
        (place / "nine").chmod(0o777)
        (place / "nine" / "read").write_text("of the host\n")
        udp.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            bound = free.getsockname()[1]
        for end in (tcp, udp):
            end.settimeout(30)
        yield Peers(place, tcp, udp, bound)


@pytest.fixture
async def domain(conn: Connection, peers: Peers, tmp_path: Path, installed: None) -> Domain:
    devices = DEVICES.format(
        place=peers.place,
        tcp=peers.tcp.getsockname()[1],
        udp=peers.udp.getsockname()[1],
        bound=peers.bound,
    )
    document = HEAD.format(boot=full_kernel_boot(tmp_path, MODULES), devices=devices)
    return await conn.create_xml(document, DomainCreateFlags.START_PAUSED)


async def test_a_guest_sees_its_devices(domain: Domain, peers: Peers, lifecycle: Any) -> None:
    async with domain.console() as console:
        await domain.resume()
        dialogue = Dialogue(console)
        await dialogue.ready(120)
        await _disks(dialogue, peers.place)
        await _network_and_sound(dialogue)
        await _shared_directory(dialogue, peers.place)
        await _memory(dialogue, peers.place)
        await _bytes(dialogue, peers)
        await dialogue.tell("echo c > /proc/sysrq-trigger")
        seen = await lifecycle.until(DomainEventType.STOPPED, 60)
    assert seen[-2:] == ["CRASHED PANICKED", "STOPPED CRASHED"]


async def _disks(dialogue: Dialogue, place: Path) -> None:
    """AHCI, virtio-scsi and USB storage by their sizes, and what is written to each arrives."""
    wait = "until [ $(ls /sys/block | grep -c ^sd) = 3 ]; do sleep 0.2; done"
    sizes = await dialogue.ask(wait + "; for d in /sys/block/sd*; do echo ${d##*/} $(cat $d/size) "
                               "$(cat $d/device/vendor); done")  # fmt: skip
    by_size = {int(words[1]) >> 11: words for words in map(str.split, sizes.splitlines())}
    assert by_size[8][2] == "ATA"
    assert by_size[9][2] == by_size[10][2] == "QEMU"
    for size, image in ((8, "sata.raw"), (9, "scsi.raw"), (10, "usb.raw")):
        await dialogue.ask(f"echo to {image} > /dev/{by_size[size][0]}; sync")
        assert (place / image).read_bytes().startswith(f"to {image}\n".encode())


async def _network_and_sound(dialogue: Dialogue) -> None:
    wait = "until [ $(grep -c 'QEMU USB' /proc/bus/input/devices) -ge 2 ]; do sleep 0.2; done"
    inputs = await dialogue.ask(wait + "; cat /proc/bus/input/devices")
    assert "QEMU USB Tablet" in inputs
    assert "QEMU USB Keyboard" in inputs
    cards = await dialogue.ask(
        "for n in /sys/class/net/eth*; do echo $(cat $n/address) $(basename $(readlink -f "
        "$n/device/driver)) $(cat $n/device/acpi_index 2>/dev/null); done"
    )
    assert "52:54:00:00:00:01 e1000e 7" in cards
    assert "52:54:00:00:00:02 virtio_net" in cards
    codec = "until cat /proc/asound/card0/codec* 2>/dev/null; do sleep 0.2; done"
    assert "QEMU Duplex" in await dialogue.ask(codec) or "0x1af4" in await dialogue.ask(codec)
    # QEMU answers for the gateway of a user network, by each of the cards.
    for name in ("eth0", "eth1"):
        answer = await dialogue.ask(
            f"ip addr add 10.0.2.15/24 dev {name}; ip link set {name} up; sleep 1; "
            f"ping -c 1 -W 5 10.0.2.2; ip addr flush dev {name}; ip link set {name} down"
        )
        assert "1 packets received" in answer, name


async def _shared_directory(dialogue: Dialogue, place: Path) -> None:
    await dialogue.ask("mkdir /tmp/nine; mount -t 9p -o trans=virtio,version=9p2000.L nine "
                       "/tmp/nine")  # fmt: skip
    assert await dialogue.ask("cat /tmp/nine/read") == "of the host\n"
    await dialogue.ask("echo of the guest > /tmp/nine/written; umount /tmp/nine")
    assert (place / "nine" / "written").read_text() == "of the guest\n"


async def _memory(dialogue: Dialogue, place: Path) -> None:
    """The cell's 256 MiB and the module's 128 are less than what the guest has by virtio-mem."""
    await dialogue.ask("for m in /sys/devices/system/memory/memory*; do "
                       "[ $(cat $m/state) = online ] || echo online > $m/state; done")  # fmt: skip
    total = "$(grep MemTotal /proc/meminfo | tr -dc 0-9)"
    await dialogue.ask(f"until [ {total} -gt {384 << 10} ]; do sleep 0.2; done")
    assert "System RAM (virtio_mem)" in await dialogue.ask("cat /proc/iomem")
    regions = await dialogue.ask("for p in /sys/block/pmem*; do echo ${p##*/} $(cat $p/size); done")
    names = [line.split()[0] for line in regions.splitlines()]
    assert len(names) == 2, regions
    for name in names:
        await dialogue.ask(f"echo of {name} > /dev/{name}; sync")
    contents = {(place / name).read_bytes()[:9] for name in ("pmem", "nvdimm")}
    assert contents == {f"of {name}\n".encode() for name in names}


async def _bytes(dialogue: Dialogue, peers: Peers) -> None:
    """Three more serial ports and a channel carry bytes both ways."""
    tcp, _ = peers.tcp.accept()
    tcp.settimeout(30)
    port = "$(basename $(dirname $(grep -l org.example.bytes /sys/class/virtio-ports/*/name)))"
    await _exchange(dialogue, "/dev/ttyS1", tcp)
    tcp.close()
    for device, name in (("/dev/ttyS2", "serial"), (f"/dev/{port}", "channel")):
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(30)
            end.connect(os.fspath(peers.place / name))
            await _exchange(dialogue, device, end)
    peers.udp.connect(("127.0.0.1", peers.bound))
    await _exchange(dialogue, "/dev/ttyS3", peers.udp)


async def _exchange(dialogue: Dialogue, device: str, end: socket.socket) -> None:
    await dialogue.ask(f"stty -F {device} raw -echo 2>/dev/null; exec 5<>{device}; echo out >&5")
    said = b""
    while b"out\n" not in said:
        said += await asyncio.to_thread(end.recv, 100)
    end.send(b"in\n")
    assert await dialogue.ask("read -r line <&5; echo $line; exec 5<&-") == "in\n", device
