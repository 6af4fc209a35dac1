# SPDX-License-Identifier: Apache-2.0
"""Capabilities of the QEMU that is installed, and what becomes of a probe whose prober dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities import (
    BinaryCaps,
    CapabilityCache,
    Parts,
    find_emulator,
    kvm,
)
from virloom.drivers.qemu.capabilities import cache as cache_module
from virloom.drivers.qemu.capabilities.document import SERVED, capabilities_xml
from virloom.host.pidfd import reap
from virloom.host.process import SpawnRequest, run, spawn
from virloom.testing.subreaper import child_subreaper


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache_module.forget()
    yield
    cache_module.forget()


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[CapabilityCache]:
    cache = CapabilityCache(tmp_path)
    yield cache
    await cache.close()


async def test_what_this_qemu_can_do(cache: CapabilityCache) -> None:
    binary = find_emulator("x86_64")
    caps = await cache.get(binary, Parts.ALL)
    assert caps.version >= (7, 2, 0)
    assert caps.arch == "x86_64"
    assert caps.machine("q35").name.startswith("pc-q35-")
    assert caps.default_machine == caps.machine("pc").name
    assert caps.machine("microvm").cpu_max > 1
    assert caps.has_device("virtio-blk-pci")
    assert caps.has_device("virtio-blk-device")
    assert not caps.has_device("toaster")
    assert caps.cpu_model("qemu64").type == "qemu64-x86_64-cpu"
    assert caps.cpu_model("Skylake-Client").unavailable


async def test_a_first_boot_asks_for_machines_only(cache: CapabilityCache) -> None:
    def canonical(caps: BinaryCaps) -> str:
        return caps.machine("q35").name

    binary = find_emulator("x86_64")
    assert (await cache.apply(binary, canonical)).startswith("pc-q35-")
    assert cache.known(binary, Parts.ALL) is None
    known = cache.known(binary)
    assert known is not None
    assert known.parts == Parts.BASE


PROBER = """
import asyncio, sys
from virloom.drivers.qemu.capabilities import Parts
from virloom.drivers.qemu.capabilities.probe import ask
def spawned(process):
    print(process.pid, flush=True)
asyncio.run(ask(sys.argv[1], Parts.ALL, on_spawn=spawned))
"""


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03])
async def test_a_killed_prober_leaves_no_qemu(delay: float) -> None:
    reader, writer = os.pipe()
    with child_subreaper():
        argv = [sys.executable, "-c", PROBER, find_emulator("x86_64")]
        prober = spawn(SpawnRequest(argv, stdout=writer))
        os.close(writer)
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(None, os.read, reader, 100)
        os.close(reader)
        qemu = os.pidfd_open(int(text))
        await asyncio.sleep(delay)
        prober.send_signal(signal.SIGKILL)
        await prober.wait()
        prober.close()
        ended = asyncio.Event()
        loop.add_reader(qemu, ended.set)
        try:
            async with asyncio.timeout(10):
                await ended.wait()
            assert reap(int(text)) is not None
        finally:
            loop.remove_reader(qemu)
            os.close(qemu)


async def test_whether_kvm_works_is_found_out_and_kept(tmp_path: Path) -> None:
    verdict = await kvm.check(tmp_path)
    assert verdict.usable or verdict.reason
    assert await kvm.check(tmp_path) == verdict
    assert await kvm.usable(tmp_path) == verdict.usable


LIBVIRT = """
import libvirt, sys
libvirt.virEventRegisterDefaultImpl()
print(libvirt.open(f"qemu:///embed?root={sys.argv[1]}").getCapabilities())
"""


needs_libvirt = pytest.mark.skipif(
    not Path("/usr/lib/python3/dist-packages/libvirt.py").exists(),
    reason="python3-libvirt is not installed",
)


@pytest.mark.long
@pytest.mark.parity
@needs_libvirt
async def test_guests_are_told_as_libvirt_tells_them(cache: CapabilityCache) -> None:
    """All of ``<guest>`` but KVM, of which libvirt believes more, and the order of machines."""
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed to libvirt's QEMU
        os.chmod(name, 0o755)
        theirs = await run(["/usr/bin/python3", "-c", LIBVIRT, f"{name}/root"], timeout=60)
    ours = await capabilities_xml(cache, kvm=False)
    known = guests_of(theirs.stdout.decode())
    assert guests_of(ours) == {arch: known[arch] for arch in SERVED if arch in known}
    assert shape_of(ours) == shape_of(theirs.stdout.decode())


def guests_of(text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for guest in ET.fromstring(text).iterfind("guest"):
        arch = guest.find("arch")
        assert arch is not None
        machines = sorted((one.text, sorted(one.items())) for one in arch.iterfind("machine"))
        first = arch.findtext("machine")
        features = [(one.tag, one.attrib) for one in guest.iterfind("features/*")]
        words = (arch.findtext("wordsize"), arch.findtext("emulator"))
        found[arch.get("name", "")] = (first, machines, features, words)
    return found


def shape_of(text: str) -> list[object]:
    root = ET.fromstring(text)
    shape = root.find("host/cpu/topology")
    assert shape is not None
    cpus = [one.attrib for one in root.iterfind("host/topology/cells/cell/cpus/cpu")]
    sizes = [one.get("size") for one in root.iterfind("host/cpu/pages")]
    return [shape.attrib, cpus, sizes, root.findtext("host/cpu/arch")]
