# SPDX-License-Identifier: Apache-2.0
"""Programs of a daemon that can be held up, so that it is killed at a chosen step of its work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.interop.conftest import Virtstoraged

#: A program that waits before or after what it does, when it is told to.
SLOW = """#!/bin/sh
words="$*"
wait_here() {{
    if [ -e {control}/{name}-$1 ] && echo "$words" | grep -q -- "$(cat {control}/{name}-$1)"; then
        : > {control}/reached
        while [ -e {control}/{name}-$1 ]; do sleep 0.02; done
    fi
}}
wait_here before
{program} "$@"
code=$?
wait_here after
exit $code
"""


class Programs:
    """Programs that can be held up, for whoever has their directory first in its PATH."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        self.directory = directory
        self._control = directory / "control"
        self._control.mkdir(parents=True)
        for name in names:
            program = shutil.which(name, path=f"{os.environ['PATH']}:/sbin:/usr/sbin")
            path = directory / name
            path.write_text(SLOW.format(control=self._control, name=name, program=program))
            path.chmod(0o755)

    def hold(self, name: str, moment: str) -> None:
        """Has a program wait ``before`` or ``after`` what it does.

        Args:
            name: The program, with a word that must be among its own: ``parted mkpart``.
        """
        (self._control / "reached").unlink(missing_ok=True)
        program, _, word = name.partition(" ")
        (self._control / f"{program}-{moment}").write_text(word)

    @property
    def reached(self) -> bool:
        """Whether the program waits."""
        return (self._control / "reached").exists()

    def release(self) -> None:
        """Lets all of them go on."""
        for path in self._control.iterdir():
            path.unlink()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns when *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def killed_at(
    daemon: Virtstoraged, programs: Programs, program: str, moment: str, *words: str
) -> None:
    """virsh asks for something; the daemon is killed while *program* waits, and started again
    while it still does, to go on when that has ended.
    """
    cut_off(daemon, programs, program, moment, *words)
    programs.release()


def cut_off(
    daemon: Virtstoraged, programs: Programs, program: str, moment: str, *words: str
) -> None:
    """As :func:`killed_at`, but *program* still waits."""
    programs.hold(program, moment)
    with subprocess.Popen(
        ["virsh", "-c", daemon.uri(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        until(lambda: programs.reached or client.poll() is not None, daemon.patience)
        assert programs.reached, f"{words} ended without {program}"
        daemon.signal(signal.SIGKILL)
        client.wait(daemon.patience)
    daemon.start()


def records(daemon: Virtstoraged) -> list[str]:
    """The pools of which there is a record."""
    return sorted(path.stem for path in (daemon.root / "run/libvirt/storage").glob("*.json"))
