# SPDX-License-Identifier: Apache-2.0
"""The host sleeps for a while: to memory, to disk, or to both.

Facts: the kernel's ``Documentation/admin-guide/pm/sleep-states.rst``; rtcwake(8).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

_SYS = "/sys"

#: Where the host sleeps: in memory, on disk, or on disk with the memory still there.
Place = Literal["mem", "disk", "hybrid"]


def can_sleep(place: Place, sys: str | os.PathLike[str] = _SYS) -> bool:
    """Whether the kernel can do that, and a clock can wake it."""
    power = Path(sys) / "power"
    if not any((Path(sys) / "class" / "rtc").glob("rtc*/wakealarm")):
        return False
    states = _words(power / "state")
    if place == "mem":
        return "mem" in states
    modes = [word.strip("[]") for word in _words(power / "disk")]
    wanted = "suspend" if place == "hybrid" else "platform"
    return "disk" in states and (wanted in modes or (place == "disk" and "shutdown" in modes))


def sleep_command(place: Place, seconds: int) -> list[str]:
    """The program that puts the host to sleep, and wakes it by its clock."""
    mode = "mem" if place == "mem" else "disk"
    return ["rtcwake", "--mode", mode, "--seconds", str(seconds)]


def choose_hybrid(sys: str | os.PathLike[str] = _SYS) -> None:
    """Makes the next sleep on disk one that keeps the memory as well.

    Raises:
        OSError: It is not for us to say.
    """
    (Path(sys) / "power" / "disk").write_text("suspend")


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
