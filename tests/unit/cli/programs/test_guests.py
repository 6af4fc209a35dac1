# SPDX-License-Identifier: Apache-2.0
"""Settings, record and time of libvirt-guests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from virloom.cli.programs.guests.main import main
from virloom.cli.programs.guests.record import Ran, Record
from virloom.cli.programs.guests.settings import GuestSettings
from virloom.cli.programs.guests.shutting_down import Clock
from virloom.cli.programs.guests.table import state_word
from virloom.enums.domain import DomainState
from virloom.errors import ConfSyntax


def settings(root: Path, text: str, name: str = "etc/default/libvirt-guests") -> GuestSettings:
    """What a file says."""
    path = root / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return GuestSettings.load(root)


def test_the_defaults(tmp_path: Path) -> None:
    assert GuestSettings.load(tmp_path) == GuestSettings()
    assert settings(tmp_path, "# URIS=none\n\nON_BOOT=ignore\nURIS=\n") == GuestSettings()


@pytest.mark.parametrize("name", ["etc/default/libvirt-guests", "etc/sysconfig/libvirt-guests"])
def test_all_of_them(name: str, tmp_path: Path) -> None:
    text = (
        "URIS='default lxc:///system' # two\nexport ON_BOOT=start; \nSTART_DELAY=2\n"
        'ON_SHUTDOWN="suspend"\nPARALLEL_SHUTDOWN=3\nSHUTDOWN_TIMEOUT=0\nBYPASS_CACHE=1\n'
        "SYNC_TIME=1\nOTHER=word\n"
    ).replace("; \n", "\n")
    assert settings(tmp_path, text, name) == GuestSettings(
        ("default", "lxc:///system"), True, 2, True, 3, 0, True, True
    )


@pytest.mark.parametrize("text", ["\nSTART_DELAY=soon\n", "\nexec rm\n", "\nURIS='default\n"])
def test_what_is_no_setting(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfSyntax, match=r"libvirt-guests:2: "):
        settings(tmp_path, text)


def test_the_record(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert (record.kept, record.started) == (False, False)
    ran = [Ran("default", ("a", "b")), Ran("qemu:///system", ("c",))]
    record.keep(ran)
    assert record.list.read_text() == "default a b\nqemu:///system c\n"
    assert record.list.stat().st_mode & 0o777 == 0o644
    assert record.read() == ran
    record.keep([])
    assert not record.kept
    record.mark_started()
    assert record.started
    record.mark_stopped()
    record.mark_stopped()
    assert not record.started


async def test_a_clock_tells_every_five_seconds() -> None:
    loop = asyncio.get_running_loop()
    clock = Clock(12)
    told = []
    for _ in range(3):
        told.append((clock.tells, clock.suffix, clock.over))
        end = loop.create_future()
        end.set_result(True)
        await clock.step([end])  # it came at once: no time has passed
        clock.left -= clock.left % 5 or 5
    assert told == [
        (False, ", 12 seconds left", False),
        (True, ", 10 seconds left", False),
        (True, ", 5 seconds left", False),
    ]
    assert clock.over


def test_a_clock_without_a_limit() -> None:
    clock = Clock(0)
    assert (clock.over, clock.tells, clock.suffix) == (False, True, "")


def test_words_of_states() -> None:
    assert state_word(DomainState.PAUSED) == "paused"
    assert state_word(99) == "no state"


def test_the_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-units", str(tmp_path)]) == 0
    unit = tmp_path / "libvirt-guests.service"
    assert capsys.readouterr().out == f"{unit}\n"
    lines = unit.read_text().splitlines()
    assert "ExecStop=/usr/sbin/libvirt-guests stop" in lines
    assert "After=virtqemud.socket virtqemud.service" in lines


def test_no_command() -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 2
