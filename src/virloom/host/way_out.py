# SPDX-License-Identifier: Apache-2.0
"""A way out of an ordinary user's network namespace: pasta(1), which needs no right on the host.

What goes out there, a process of the user's sends on by sockets of its own, as any program of the
user's could. Nothing leads in, and not even the host's own loopback is reached.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from virloom.errors import ConfigUnsupported, OperationFailed
from virloom.host.identity import ProcessIdentity
from virloom.host.pidfd import PidFd, reap
from virloom.host.process import Process, SpawnRequest, spawn
from virloom.host.programs import program_path

_PROGRAM = "pasta"
#: What the link there is called; the host's own name of its way out tells guests nothing.
LINK = "way-out"
#: Neither ports of the host lead in, nor those of the namespace out; the router is no name for us.
_OPTIONS = (
    *("--config-net", "--no-map-gw", "--ns-ifname", LINK),
    *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
)
#: Seconds in which it is to end.
_PATIENCE = 1.0


def lead_out(holder: int, note: Path) -> ProcessIdentity:
    """Gives the network of a process a link that leads out.

    Args:
        holder: The process, of this user's.
        note: A file that the new process writes its number to.

    Returns:
        The process behind the link, which lasts until somebody ends it.

    Raises:
        ConfigUnsupported: The program is not installed.
        OperationFailed: It would not; its own words are told.
    """
    program = program_path(_PROGRAM)
    if program is None:
        raise ConfigUnsupported(
            f"a way out of the root's network needs '{_PROGRAM}'",
            remedy="install the package passt",
        )
    said = _told([program, *_OPTIONS, "--pid", str(note), str(holder)])
    try:
        return ProcessIdentity.of(int(note.read_text()))
    except (OSError, ValueError) as exc:
        raise OperationFailed(
            f"'{_PROGRAM}' does not lead out of the root's network: {said}",
            remedy="it needs a host that has a default route itself",
        ) from exc
    finally:
        note.unlink(missing_ok=True)


def _told(argv: list[str]) -> str:
    """What a program says until it is in the background, or has ended: a tenth of a second."""
    ours, its = os.pipe()
    with os.fdopen(ours, "rb") as told:
        try:
            process = spawn(SpawnRequest(argv, stdout=its, stderr=its))
        finally:
            os.close(its)
        lines = told.read().decode(errors="replace").splitlines()
        _await_end(process)
    words = [line.strip() for line in lines if line.strip() and "syslog" not in line]
    return "; ".join(words[-2:]) or "it gives no reason"


def _await_end(process: Process) -> None:
    select.select([process.pidfd], [], [], _PATIENCE)
    process.close()


def end_way_out(process: ProcessIdentity) -> None:
    """Ends it, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        held = PidFd.open(process)
        held.send_signal(signal.SIGKILL)
        select.select([held], [], [], _PATIENCE)
        held.close()
        reap(process.pid)
