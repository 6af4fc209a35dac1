# SPDX-License-Identifier: Apache-2.0
"""What a guest with a full kernel sees of TPM, watchdog, shared memory, IOMMU and redirection."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import full_kernel_boot
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainEventType,
    DomainState,
    DomainUndefineFlagsValues,
)
from virloom.testing.dialogue import Dialogue

pytestmark = pytest.mark.timeout(180)

MODULES = ("virtio_pci", "virtio-rng", "i6300esb", "button")

#: One document, one boot: everything that a full kernel can show without the host's hardware.
DEVICES = """
<serial type='pty'><target port='0'/></serial>
<tpm model='tpm-crb'><backend type='emulator' version='2.0'>
  <active_pcr_banks><sha1/><sha256/></active_pcr_banks></backend></tpm>
<shmem name='{shmem}'><model type='ivshmem-plain'/><size unit='M'>2</size></shmem>
<watchdog model='i6300esb' action='pause'/>
<rng model='virtio'><backend model='builtin'/></rng>
<redirdev bus='usb' type='unix'><source mode='bind' path='{socket}'/></redirdev>
<iommu model='intel'><driver intremap='on'/></iommu>
"""


@pytest.fixture
def shared_name(tmp_path: Path) -> Iterator[str]:
    """A name of shared memory of this test's own."""
    name = f"virloom-test-{os.getpid()}"
    yield name
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"/dev/shm/{name}")


@pytest.fixture
def document(tmp_path: Path, installed: None, shared_name: str) -> str:
    """A guest with all these devices."""
    if shutil.which("swtpm_setup") is None:
        pytest.skip("no emulated TPM: apt install swtpm swtpm-tools")
    boot = full_kernel_boot(tmp_path, MODULES)
    devices = DEVICES.format(shmem=shared_name, socket=tmp_path / "usb")
    return (
        "<domain type='qemu'><name>attached</name><memory unit='MiB'>192</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type>"
        f"{boot}</os>"
        "<features><acpi/><apic/><ioapic driver='qemu'/></features>"
        f"<devices>{devices}</devices></domain>"
    )


@pytest.fixture
async def domain(conn: Connection, document: str) -> AsyncIterator[Domain]:
    """The guest, defined; undefined again afterwards."""
    defined = await conn.define_xml(document)
    yield defined
    with contextlib.suppress(Exception):
        await defined.destroy()
    await defined.undefine(DomainUndefineFlagsValues.TPM)


async def test_a_guest_sees_what_is_attached(
    domain: Domain, root: Path, tmp_path: Path, shared_name: str, lifecycle: Any
) -> None:
    state = root / "lib" / "swtpm" / str(domain.uuid)
    await domain.create(DomainCreateFlags.START_PAUSED)
    assert (state / "tpm2").is_dir()
    async with domain.console() as console:
        await domain.resume()
        dialogue = Dialogue(console)
        await dialogue.ready(120)
        ask = dialogue.ask
        assert await ask("cat /sys/class/tpm/tpm0/tpm_version_major") == "2\n"
        banks = (await ask("ls /sys/class/tpm/tpm0 | grep pcr-")).split()
        assert banks == ["pcr-sha1", "pcr-sha256"]
        assert (await ask("cat /sys/class/misc/hw_random/rng_current")).startswith("virtio_rng")
        pci = await ask("cat /sys/bus/pci/devices/*/vendor /sys/bus/pci/devices/*/device")
        assert "0x1110" in pci, "ivshmem"
        assert "0x25ab" in pci, "i6300esb"
        assert "dmar0" in await ask("ls /sys/class/iommu")
        shared = Path("/dev/shm") / shared_name
        assert shared.stat().st_size == 2 << 20
        assert stat.S_ISSOCK((tmp_path / "usb").stat().st_mode)
        await dialogue.ask("rmmod i6300esb; insmod /modules/i6300esb.ko heartbeat=2")
        # Opened and never fed again.
        await dialogue.tell("exec 4> /dev/watchdog; echo fed >&4")
        seen = await lifecycle.until(DomainEventType.SUSPENDED, 60)
        while seen[-1] != "SUSPENDED WATCHDOG":
            seen = await lifecycle.until(DomainEventType.SUSPENDED, 60)
        assert (await domain.state()).state == DomainState.PAUSED
    await domain.destroy()
    assert (state / "tpm2").is_dir(), "a defined guest keeps its keys"


async def test_the_state_of_a_tpm_goes_with_its_guest(conn: Connection, root: Path) -> None:
    document = (
        "<domain type='qemu'><name>keys</name><memory unit='MiB'>32</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
        "<tpm model='tpm-tis'><backend type='emulator' version='2.0' {}/></tpm>"
        "</devices></domain>"
    )
    if shutil.which("swtpm_setup") is None:
        pytest.skip("no emulated TPM: apt install swtpm swtpm-tools")
    states = root / "lib" / "swtpm"
    transient = await conn.create_xml(document.format(""), DomainCreateFlags.START_PAUSED)
    kept = states / str(transient.uuid)
    assert kept.is_dir()
    await transient.destroy()
    assert not kept.exists()
    defined = await conn.define_xml(document.format("persistent_state='yes'"))
    await defined.create(DomainCreateFlags.START_PAUSED)
    await defined.destroy()
    await defined.undefine()
    assert (states / str(defined.uuid) / "tpm2").is_dir()
    defined = await conn.define_xml(document.format(""))
    await defined.create(DomainCreateFlags.START_PAUSED)
    await defined.undefine()
    assert (states / str(defined.uuid)).exists(), "a guest that runs needs it"
    await defined.destroy()
    assert not (states / str(defined.uuid)).exists()
