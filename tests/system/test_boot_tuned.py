# SPDX-License-Identifier: Apache-2.0
"""A guest with much of what stands outside <devices>: it and the host tell what came of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.conftest import Booted
from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import ConfigUnsupported, VirloomError
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import tiny_guest_xml

pytestmark = pytest.mark.timeout(180)

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
BESIDE = f"""
<memory unit='MiB'>192</memory>
<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
<iothreads>2</iothreads>
<cputune>
  <vcpupin vcpu='0' cpuset='0'/>
  <emulatorpin cpuset='0'/>
  <iothreadpin iothread='2' cpuset='0'/>
  <vcpusched vcpus='1' scheduler='batch'/>
</cputune>
<numatune><memnode cellid='0' mode='preferred' nodeset='0'/></numatune>
<sysinfo type='smbios'>
  <bios><entry name='vendor'>Virloom, and others</entry></bios>
  <system>
    <entry name='manufacturer'>Makers</entry>
    <entry name='serial'>S-42</entry>
    <entry name='uuid'>{UUID}</entry>
  </system>
  <baseBoard><entry name='product'>Board</entry></baseBoard>
  <chassis><entry name='asset'>Tag</entry></chassis>
</sysinfo>
<sysinfo type='fwcfg'>
  <entry name='opt/org.example/word'>said</entry>
  <entry name='opt/org.example/file' file='@FILE@'/>
</sysinfo>
<cpu mode='maximum'>
  <topology sockets='1' dies='1' cores='2' threads='1'/>
  <numa>
    <cell id='0' cpus='0' memory='96' unit='MiB'>
      <distances><sibling id='1' value='21'/></distances>
      <cache level='1' associativity='direct' policy='writeback'>
        <size value='10' unit='KiB'/><line value='8' unit='B'/>
      </cache>
    </cell>
    <cell id='1' cpus='1' memory='96' unit='MiB'/>
    <interconnects>
      <latency initiator='0' target='0' type='access' value='5'/>
      <latency initiator='0' target='1' type='access' value='50'/>
      <bandwidth initiator='0' target='0' type='access' value='204800' unit='KiB'/>
    </interconnects>
  </numa>
</cpu>
<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/org.example/raw,string=given'/>
  <qemu:env name='VIRLOOM_TEST_WORD' value='passed on'/>
</qemu:commandline>
"""


def document(content: Path) -> str:
    text = tiny_guest_xml("tuned", vcpus=2, modules=("button", "evdev", "qemu_fw_cfg"))
    text = text.replace("<memory unit='MiB'>128</memory>", f"<uuid>{UUID}</uuid>")
    text = text.replace("</os>", f"<smbios mode='sysinfo'/></os>{BESIDE}")
    return text.replace("@FILE@", str(content))


@pytest.fixture
async def tuned(conn: Connection, tmp_path: Path) -> AsyncIterator[Booted]:
    content = tmp_path / "content"
    content.write_text("of a file")
    domain = await conn.create_xml(document(content), DomainCreateFlags.START_PAUSED)
    async with domain.console() as console:
        await domain.resume()
        dialogue = Dialogue(console)
        yield Booted(domain, dialogue, await dialogue.ready())


async def test_the_guest_sees_what_the_document_says(tuned: Booted) -> None:
    for path, expected in (
        ("/sys/class/dmi/id/bios_vendor", "Virloom, and others"),
        ("/sys/class/dmi/id/sys_vendor", "Makers"),
        ("/sys/class/dmi/id/product_serial", "S-42"),
        ("/sys/class/dmi/id/product_uuid", UUID),
        ("/sys/class/dmi/id/board_name", "Board"),
        ("/sys/class/dmi/id/chassis_asset_tag", "Tag"),
        ("/sys/firmware/qemu_fw_cfg/by_name/opt/org.example/word/raw", "said"),
        ("/sys/firmware/qemu_fw_cfg/by_name/opt/org.example/file/raw", "of a file"),
        ("/sys/firmware/qemu_fw_cfg/by_name/opt/org.example/raw/raw", "given"),
        ("/sys/devices/system/node/online", "0-1"),
        ("/sys/devices/system/node/node0/distance", "10 21"),
        ("/sys/devices/system/node/node1/cpulist", "1"),
        ("/sys/devices/system/node/node0/memory_side_cache/index1/size", "10240"),
        ("/sys/devices/system/node/node0/access0/initiators/read_latency", "5"),
        ("/sys/devices/system/cpu/cpu1/topology/physical_package_id", "0"),
    ):
        assert (await tuned.dialogue.ask(f"cat {path}; echo")).strip() == expected, path


async def test_the_host_keeps_the_threads_where_they_belong(tuned: Booted, root: Path) -> None:
    pid = _qemu(root)
    names = {
        (task / "comm").read_text().strip(): int(task.name)
        for task in Path(f"/proc/{pid}/task").iterdir()
    }
    everywhere = os.sched_getaffinity(0)
    assert os.sched_getaffinity(names["CPU 0/TCG"]) == {0}
    assert os.sched_getaffinity(names["CPU 1/TCG"]) == everywhere
    assert os.sched_getscheduler(names["CPU 1/TCG"]) == os.SCHED_BATCH
    assert os.sched_getaffinity(names["IO iothread1"]) == everywhere
    assert os.sched_getaffinity(names["IO iothread2"]) == {0}
    assert os.sched_getaffinity(pid) == {0}
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"VIRLOOM_TEST_WORD=passed on" in environment
    assert "memfd:" in Path(f"/proc/{pid}/maps").read_text()


def _qemu(root: Path) -> int:
    """The process whose environment or command line names *root*."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if (
                    path.joinpath("comm").read_text().startswith("qemu-system")
                    and str(root).encode() in path.joinpath("environ").read_bytes()
                ):
                    return int(path.name)
            except OSError:
                continue
    raise AssertionError(f"no QEMU of {root}")


@pytest.mark.parametrize(
    ("before", "path"),
    [
        ("<numatune><memory mode='strict' nodeset='999'/></numatune>", "node 999"),
        ("<vcpu placement='auto'>1</vcpu>", "numad"),
        ("<seclabel type='dynamic' model='selinux'/>", "selinux"),
    ],
)
async def test_what_nobody_would_keep_to_is_refused(
    conn: Connection, before: str, path: str
) -> None:
    text = tiny_guest_xml("refused").replace("<vcpu>1</vcpu>", before)
    with pytest.raises(ConfigUnsupported, match=path) as caught:
        await conn.create_xml(text, 0)
    assert isinstance(caught.value, VirloomError)


async def test_a_cpu_that_is_not_there_is_an_error_with_its_thread(conn: Connection) -> None:
    pins = "<vcpu>1</vcpu><cputune><vcpupin vcpu='0' cpuset='9999'/></cputune>"
    text = tiny_guest_xml("nowhere").replace("<vcpu>1</vcpu>", pins)
    with pytest.raises(VirloomError, match="vCPU 0") as caught:
        await conn.create_xml(text, 0)
    assert caught.value.code == 38
    assert await conn.list_all_domains() == []
