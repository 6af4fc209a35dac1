# SPDX-License-Identifier: Apache-2.0
"""Whether the host can sleep, from fake files."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.host.sleep import Place, can_sleep, choose_hybrid, sleep_command


def host(root: Path, state: str, disk: str = "", clock: bool = True) -> Path:
    power = root / "power"
    power.mkdir()
    (power / "state").write_text(state)
    if disk:
        (power / "disk").write_text(disk)
    if clock:
        rtc = root / "class/rtc/rtc0"
        rtc.mkdir(parents=True)
        (rtc / "wakealarm").write_text("")
    return root


@pytest.mark.parametrize(
    ("state", "disk", "places"),
    [
        (
            "freeze mem disk\n",
            "[platform] shutdown reboot suspend test_resume\n",
            "mem disk hybrid",
        ),
        ("freeze mem\n", "", "mem"),
        ("disk\n", "[disabled]\n", ""),
        ("mem disk\n", "[shutdown] reboot\n", "mem disk"),
        ("\n", "", ""),
    ],
)
def test_what_the_kernel_can(tmp_path: Path, state: str, disk: str, places: str) -> None:
    root = host(tmp_path, state, disk)
    every: tuple[Place, ...] = ("mem", "disk", "hybrid")
    assert [place for place in every if can_sleep(place, root)] == places.split()


def test_nobody_sleeps_whom_no_clock_wakes(tmp_path: Path) -> None:
    assert not can_sleep("mem", host(tmp_path, "mem", clock=False))
    assert not can_sleep("mem", tmp_path / "nothing")


def test_both_at_once(tmp_path: Path) -> None:
    root = host(tmp_path, "disk", "[platform] suspend")
    choose_hybrid(root)
    assert (root / "power/disk").read_text() == "suspend"
    assert sleep_command("hybrid", 60) == ["rtcwake", "--mode", "disk", "--seconds", "60"]
    assert sleep_command("mem", 90)[2] == "mem"
