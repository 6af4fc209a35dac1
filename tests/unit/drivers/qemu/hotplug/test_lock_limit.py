# SPDX-License-Identifier: Apache-2.0
"""How much memory QEMU may lock, while devices come and go."""

from __future__ import annotations

import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from virloom.drivers.qemu.hotplug.lock_limit import lower_lock_limit, raise_lock_limit
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.model.domain import Domain, Hostdev, MemoryDevice
from virloom.xml import parse_document

MIB = 1 << 20
CARD = "<hostdev mode='subsystem' type='pci'><source><address bus='1'/></source></hostdev>"
MODULE = "<memory model='dimm'><target><size unit='MiB'>128</size></target></memory>"


class Guest:
    """What is known of a guest that runs."""

    def __init__(self, directory: Path) -> None:
        self.record = GuestRecord(directory / "web.json", "web", "0" * 32, 1)
        self.pid, self.limit = 77, (8 * MIB, 16 * MIB)
        self.guest = SimpleNamespace(running=self, name="web")
        self.model = self.beside()

    def beside(self, *devices: str) -> Domain:
        """The guest's document, with devices."""
        text = "<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory>"
        return parse_document(Domain, f"{text}<devices>{''.join(devices)}</devices></domain>")

    def save(self) -> None:
        self.record.save()

    def prlimit(self, pid: int, kind: int, limits: tuple[int, int] | None = None) -> Any:
        """The kernel's part."""
        assert (pid, kind) == (77, resource.RLIMIT_MEMLOCK)
        former, self.limit = self.limit, limits or self.limit
        return former

    def plug(self, device: str, *others: str) -> None:
        kind: Any = Hostdev if device.startswith("<hostdev") else MemoryDevice
        whole = self.beside(device, *others)
        raise_lock_limit(
            cast(RunningGuest, self), whole, parse_document(kind, device), self.prlimit
        )
        self.model = whole

    def unplug(self, *left: str) -> None:
        self.model = self.beside(*left)
        lower_lock_limit(cast(RunningGuest, self), self.prlimit)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_it_comes_back_after_the_last_device(guest: Guest) -> None:
    guest.plug(MODULE)
    assert guest.limit == (8 * MIB, 16 * MIB), "nothing needs it"
    guest.plug(CARD)
    assert guest.limit == (1088 * MIB, 1088 * MIB)
    guest.plug(CARD.replace("'1'", "'2'"), CARD)
    assert guest.limit == (1088 * MIB, 1088 * MIB)
    guest.plug(MODULE, CARD)
    assert guest.limit == (1216 * MIB, 1216 * MIB)
    guest.unplug(CARD)
    assert guest.limit == (1216 * MIB, 1216 * MIB), "what is locked stays locked"
    assert GuestRecord.load(guest.record.path).runtime
    guest.unplug()
    assert guest.limit == (8 * MIB, 16 * MIB)
    assert not GuestRecord.load(guest.record.path).runtime


def test_what_nobody_raised_stays(guest: Guest) -> None:
    guest.limit = (2048 * MIB, 4096 * MIB)
    guest.plug(CARD)
    guest.unplug()
    assert guest.limit == (2048 * MIB, 4096 * MIB)


def test_a_process_that_has_gone(guest: Guest) -> None:
    guest.plug(CARD)
    guest.guest.running = None
    guest.unplug()
    assert guest.limit[0] == 1088 * MIB, "the number may be another's"
