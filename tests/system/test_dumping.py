# SPDX-License-Identifier: Apache-2.0
"""The memory of guests in files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.conftest import BootGuest, Lifecycle, PausedGuest
from virloom.client.connection import Connection
from virloom.enums.domain import (
    DomainCoreDumpFlags,
    DomainCoreDumpFormat,
    DomainEventType,
    DomainJobOperation,
    DomainState,
)
from virloom.errors import (
    InvalidArg,
    OperationFailed,
    OperationUnsupported,
    SystemFailure,
)

_Flags = DomainCoreDumpFlags
_Format = DomainCoreDumpFormat


@pytest.mark.parametrize(
    ("format", "flags", "magic"),
    [
        (None, 0, b"QEVM"),
        (None, _Flags.BYPASS_CACHE, b"QEVM"),
        (None, _Flags.LIVE, b"QEVM"),
        (None, _Flags.MEMORY_ONLY, b"\x7fELF"),
        (_Format.KDUMP_ZLIB, _Flags.MEMORY_ONLY | _Flags.LIVE, b"makedumpfile"),
    ],
)
async def test_the_guest_goes_on(
    format: int | None, flags: int, magic: bytes, boot: BootGuest, tmp_path: Path
) -> None:
    booted = await boot("web")
    file = tmp_path / "core"
    await booted.domain.saving.core_dump(str(file), format, flags)
    assert file.read_bytes().startswith(magic)
    assert (await booted.domain.state()).state == DomainState.RUNNING
    assert await booted.dialogue.ask("echo still here") == "still here\n"


async def test_a_crash(boot: BootGuest, tmp_path: Path, lifecycle: Lifecycle) -> None:
    booted = await boot("web", machine="microvm")
    await booted.domain.saving.core_dump(str(tmp_path / "core"), flags=_Flags.CRASH)
    seen = await lifecycle.until(DomainEventType.STOPPED)
    assert seen[-2:] == ["SUSPENDED PAUSED", "STOPPED CRASHED"]


async def test_figures_are_kept(conn: Connection, paused: PausedGuest, tmp_path: Path) -> None:
    dom = await paused("web")
    await dom.saving.core_dump(str(tmp_path / "core"))
    stats = await dom.jobs.stats(1)
    assert stats.values["operation"] == DomainJobOperation.DUMP
    assert not (await dom.jobs.stats(1)).values


async def test_refusals(paused: PausedGuest, tmp_path: Path) -> None:
    dom = await paused("web")
    file = str(tmp_path / "core")
    with pytest.raises(InvalidArg, match="mutually exclusive"):
        await dom.saving.core_dump(file, flags=_Flags.CRASH | _Flags.LIVE)
    with pytest.raises(InvalidArg, match="'9' is not supported"):
        await dom.saving.core_dump(file, 9)
    with pytest.raises(InvalidArg, match="kdump-snappy"):
        await dom.saving.core_dump(file, _Format.KDUMP_SNAPPY, _Flags.MEMORY_ONLY)
    with pytest.raises(OperationUnsupported, match="memory-only"):
        await dom.saving.core_dump(file, _Format.KDUMP_ZLIB)
    with pytest.raises(OperationFailed, match="vmcoreinfo"):
        await dom.saving.core_dump(file, _Format.WIN_DMP, _Flags.MEMORY_ONLY)
    with pytest.raises(SystemFailure, match="Failed to create"):
        await dom.saving.core_dump(str(tmp_path / "nowhere" / "core"))
    assert not os.listdir(tmp_path) or "core" not in os.listdir(tmp_path)
