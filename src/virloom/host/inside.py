# SPDX-License-Identifier: Apache-2.0
"""Another network namespace, entered for a moment; the guardian process loads this too."""

from __future__ import annotations

import os
from contextlib import contextmanager

from virloom.host.syscalls import setns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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


def command_prefix(pid: int, *, users: bool) -> list[str]:
    """What a command line begins with that is to run in the network of a process.

    Args:
        users: It is an ordinary user's, who is root in a user namespace of the process.
    """
    if not users:
        return ["nsenter", f"--net=/proc/{pid}/ns/net"]
    spaces = [f"--user=/proc/{pid}/ns/user", f"--net=/proc/{pid}/ns/net"]
    return ["nsenter", "--preserve-credentials", *spaces]
