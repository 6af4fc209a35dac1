# SPDX-License-Identifier: Apache-2.0
"""A guest takes memory that it is offered, and does not give back what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

import virloom
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags, DomainDeviceModifyFlags
from virloom.errors import OperationFailed
from virloom.testing import guest as tiny
from virloom.testing import initramfs
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import tiny_guest_xml

PAUSED = DomainCreateFlags.START_PAUSED
MEMORY = """
<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node>
<block unit='MiB'>2</block><requested unit='MiB'>128</requested></target></memory>
<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"""
CELL = "<cpu><numa><cell id='0' cpus='0' memory='160' unit='MiB'/></numa></cpu>"
#: The kernel keeps what it notes about directories in the newest memory, and cannot move it.
OCCUPY = (
    "cd /sys/devices/system/memory; "
    "for block in memory*; do read -r on < $block/online; [ $on = 0 ] && last=$block; done; "
    "echo online_kernel > $last/state; cd /tmp; busybox mkdir $(busybox seq 4000)"
)


def memory_guest(tmp_path: Path) -> str:
    """A guest with a module, and memory that is asked for."""
    modules = tiny.module_closure((*tiny.MODULES, "virtio_mem"))
    initrd = tmp_path / "initrd.gz"
    initrd.write_bytes(initramfs.build(tiny.busybox(), modules))
    load = ("virtio_pci", "virtio_mem")
    document = tiny_guest_xml("mem", memory_mib=160, modules=load, extra_devices=MEMORY)
    document = document.replace(str(tiny.initramfs()), str(initrd))
    document = document.replace("<vcpu>", "<maxMemory slots='4' unit='MiB'>1024</maxMemory><vcpu>")
    return document.replace("<devices>", f"{CELL}<devices>", 1)


async def test_memory_is_taken_and_not_given_back(conn: Connection, tmp_path: Path) -> None:
    dom = await conn.create_xml(memory_guest(tmp_path), PAUSED)
    async with Heard(conn) as heard, dom.console() as console:
        guest = Dialogue(console)
        await dom.resume()
        await guest.ready()
        await heard.until(virloom.MemoryDeviceSizeChangeEvent, alias="virtiomem0", size=128 << 10)
        told, _ = (await dom.model()).devices.memories
        assert (told.target.requested, told.target.current) == (128 << 10, 128 << 10)
        await guest.ask(OCCUPY)
        with pytest.raises(OperationFailed, match="rejected"):
            await dom.devices.detach_alias("dimm0", DomainDeviceModifyFlags.LIVE)
        await heard.until(virloom.DeviceRemovalFailedEvent, dev_alias="dimm0")
        assert [m.model for m in (await dom.model()).devices.memories] == ["virtio-mem", "dimm"]
