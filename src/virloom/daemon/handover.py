# SPDX-License-Identifier: Apache-2.0
"""Descriptors that outlive a process of a daemon, and reach the next one.

===================  =============================================================================
from whom            how
===================  =============================================================================
systemd              sockets of its units, and its descriptor store (sd_listen_fds(3), FDSTORE=1)
``virloom daemons``  its own store, filled in the same way, and ``VIRLOOM_HANDED_OVER``
the daemon itself    at SIGUSR1 it executes its program anew, with the same variable
===================  =============================================================================
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from virloom.daemon.notify import notify

#: ``NUMBER:NAME`` with commas between them.
VARIABLE = "VIRLOOM_HANDED_OVER"
#: The process that executes itself anew; it is in the background already, if it is to be there.
_AGAIN = "VIRLOOM_AGAIN"
#: The first descriptor that systemd hands over (sd_listen_fds(3)).
_FIRST = 3


class Handed(NamedTuple):
    """A descriptor that was handed over, close-on-exec by now."""

    name: str
    fd: int


def handed_over() -> list[Handed]:
    """What was handed over to this process; asked once, for children are not to see it."""
    found = _from_systemd()
    for text in filter(None, os.environ.pop(VARIABLE, "").split(",")):
        number, _, name = text.partition(":")
        found.append(Handed(name, int(number)))
    for entry in found:
        os.set_inheritable(entry.fd, False)
    return found


def _from_systemd() -> list[Handed]:
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    names += [""] * int(count)
    return [Handed(names[number], _FIRST + number) for number in range(int(count))]


class Store:
    """The store of whoever watches this daemon; without anybody, nothing happens."""

    def keep(self, name: str, fd: int) -> None:
        """Has a copy of *fd* there, for the process after a kill."""
        # It is not to look whether the other end is closed: what still waits in a pipe is ours.
        notify(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", [fd])

    def forget(self, name: str) -> None:
        """Has the copy closed."""
        notify(f"FDSTOREREMOVE=1\nFDNAME={name}")


def variable(descriptors: Mapping[str, int]) -> str:
    """What :data:`VARIABLE` says of inherited descriptors."""
    return ",".join(f"{fd}:{name}" for name, fd in descriptors.items())


def present_directory() -> str:
    """Where this process is; the root where that has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def is_again() -> bool:
    """Whether this process has executed its program anew; asked once."""
    return os.environ.pop(_AGAIN, "") == str(os.getpid())


def execute_again(descriptors: Mapping[str, int], argv: Sequence[str], directory: str) -> NoReturn:
    """Becomes a new process of the same program, with *descriptors* and the same process id.

    Args:
        argv: As this one was called.
        directory: Where it was called.

    Raises:
        OSError: The program is no longer there.
    """
    for fd in descriptors.values():
        os.set_inheritable(fd, True)
    with contextlib.suppress(OSError):  # it has gone, and needs none
        os.chdir(directory)
    environment = {**os.environ, VARIABLE: variable(descriptors), _AGAIN: str(os.getpid())}
    os.execve(sys.executable, list(argv), environment)
