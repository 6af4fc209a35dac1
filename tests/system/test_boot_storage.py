# SPDX-License-Identifier: Apache-2.0
"""Disks, shared directories, displays and network cards as a real QEMU and a guest have them."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import ConfigUnsupported
from virloom.testing.documents import paused_guest_xml

pytestmark = pytest.mark.timeout(180)

MIB = 1024 * 1024


@pytest.fixture
def export(tmp_path: Path) -> Iterator[int]:
    """The port of an NBD server with one image."""
    image = tmp_path / "export.raw"
    image.write_bytes(b"from-the-server\n".ljust(MIB, b"\0"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    where = ["-b", "127.0.0.1", "-p", str(port)]
    argv = ["qemu-nbd", *where, "-f", "raw", "-x", "disk", "-e", "4", "-t", str(image)]
    with subprocess.Popen(argv) as server:
        while not _answers(port):
            assert server.poll() is None
            time.sleep(0.02)
        try:
            yield port
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that QEMU's own user may read, too."""
    with tempfile.TemporaryDirectory(prefix="virloom-9p-") as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "hello").write_text("from the host\n")
        yield path


def devices(tmp_path: Path, export: int, shared: Path) -> str:
    (tmp_path / "slow.raw").write_bytes(bytes(MIB))
    (tmp_path / "cd.iso").write_bytes(b"medium\n".ljust(MIB, b"\0"))
    return f"""
<controller type='scsi' index='0' model='virtio-scsi'/>
<disk type='file' device='disk'><source file='{tmp_path}/slow.raw'/>
  <target dev='vda' bus='virtio'/><serial>SLOW</serial>
  <iotune><read_bytes_sec>1000000</read_bytes_sec><write_iops_sec>50</write_iops_sec>
  <read_bytes_sec_max>2000000</read_bytes_sec_max>
  <read_bytes_sec_max_length>3</read_bytes_sec_max_length>
  <group_name>both</group_name></iotune></disk>
<disk type='network' device='disk'><source protocol='nbd' name='disk'>
  <host name='127.0.0.1' port='{export}'/></source>
  <target dev='vdb' bus='virtio'/><readonly/></disk>
<disk type='file' device='cdrom'><source file='{tmp_path}/cd.iso'/>
  <target dev='sda' bus='scsi'/></disk>
<filesystem type='mount' accessmode='mapped'><source dir='{shared}'/><target dir='tag'/>
</filesystem>
<graphics type='spice' autoport='yes'><listen type='address' address='127.0.0.1'/></graphics>
<video><model type='qxl'/></video>
<interface type='mcast'><source address='230.0.0.1' port='5558'/><model type='e1000e'/></interface>
<interface type='user'><model type='virtio'/><driver><host csum='off'/></driver></interface>
<channel type='spicevmc'><target type='virtio'/></channel>
<channel type='qemu-vdagent'><target type='virtio' name='other'/></channel>
<sound model='ich9'/>
"""


async def asked(domain: Any, command: str, **arguments: object) -> Any:
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(await domain.monitor_command(text))["return"]


async def test_devices_are_in_qemu_as_the_document_says(
    conn: Connection, tmp_path: Path, export: int, shared: Path
) -> None:
    document = paused_guest_xml("many", extra_devices=devices(tmp_path, export, shared))
    domain = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    blocks = {block["qdev"]: block["inserted"] for block in await asked(domain, "query-block")}
    slow = next(inserted for qdev, inserted in blocks.items() if "virtio-disk0" in qdev)
    assert (slow["bps_rd"], slow["iops_wr"], slow["bps_rd_max"]) == (1_000_000, 50, 2_000_000)
    assert (slow["bps_rd_max_length"], slow["group"]) == (3, "both")
    served = next(inserted for qdev, inserted in blocks.items() if "virtio-disk1" in qdev)
    assert served["ro"] is True
    assert served["image"]["virtual-size"] == MIB
    spice = await asked(domain, "query-spice")
    assert spice["enabled"] is True
    live = await domain.xml_desc()
    assert f"port='{spice['port']}'" in live
    _, writer = await asyncio.open_connection("127.0.0.1", spice["port"])
    writer.close()
    await writer.wait_closed()


async def test_a_guest_reads_from_a_server_and_sees_the_directory(
    boot: Any, export: int, shared: Path
) -> None:
    guest = await boot(
        "reader",
        machine="q35",
        modules=("virtio_pci", "virtio_blk"),
        extra_devices=f"""
<disk type='network' device='disk'><source protocol='nbd' name='disk'>
  <host name='127.0.0.1' port='{export}'/></source>
  <target dev='vda' bus='virtio'/><readonly/></disk>
<filesystem type='mount' accessmode='mapped'><source dir='{shared}'/><target dir='tag'/>
  <readonly/></filesystem>""",
    )
    assert await guest.dialogue.ask("head -n 1 /dev/vda") == "from-the-server\n"
    # The cloud kernel's image here has no 9p driver, but the bus shows the device.
    kinds = await guest.dialogue.ask("cat /sys/bus/virtio/devices/*/device")
    assert {"0x0002", "0x0009"} <= set(kinds.split())


async def test_what_nobody_serves_is_refused_and_leaves_nothing(conn: Connection) -> None:
    document = paused_guest_xml(
        "bridged", extra_devices="<interface type='bridge'><source bridge='br0'/></interface>"
    )
    with pytest.raises(ConfigUnsupported, match=r"interface.*bridge"):
        await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    assert await conn.list_all_domains() == []
