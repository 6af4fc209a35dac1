# SPDX-License-Identifier: Apache-2.0
"""Another network namespace, entered for a moment; the guardian process loads this too."""

from __future__ import annotations

import os
from contextlib import contextmanager

from virloom.host.syscalls import setns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from virloom.host.door import Door

#: ``CLONE_NEWNET`` of linux/sched.h.
_NETWORK = 0x40000000


@contextmanager
def inside(path: str) -> Iterator[None]:
    """This thread is in the network namespace of that path while the block runs.

    The block must not wait for the event loop.

    Raises:
        OSError: The kernel does not let us in.
    """
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(there, _NETWORK)
        try:
            yield
        finally:
            setns(here, _NETWORK)
    finally:
        os.close(here)
        os.close(there)


@contextmanager
def network_of(pid: int, door: Door | None = None) -> Iterator[None]:
    """What is opened while the block runs is of the network of a process.

    This thread is there, and must not wait for the event loop; or, for an ordinary user, a process
    there opens what :mod:`.openings` is asked for.

    Args:
        door: That process; without it there is one for the block.

    Raises:
        OSError: The kernel does not let us in.
    """
    if os.geteuid() == 0:
        with inside(f"/proc/{pid}/ns/net"):
            yield
        return
    from virloom.host.door import Door
    from virloom.host.openings import through

    used = door or Door(command_prefix(pid, users=True))
    try:
        with through(used):
            yield
    finally:
        if door is None:
            used.close()


def command_prefix(pid: int, *, users: bool) -> list[str]:
    """What a command line begins with that is to run in the network of a process.

    Args:
        users: It is an ordinary user's, who is root in a user namespace of the process.
    """
    if not users:
        return ["nsenter", f"--net=/proc/{pid}/ns/net"]
    spaces = [f"--user=/proc/{pid}/ns/user", f"--net=/proc/{pid}/ns/net"]
    return ["nsenter", "--preserve-credentials", *spaces]
