# SPDX-License-Identifier: Apache-2.0
"""A program within the name spaces of a container."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence

from virloom.cli.shell.failure import CommandFailed

_NS_GET_NSTYPE = 0xB703
"""ioctl_ns(2)"""

#: The options of nsenter(1), by the kinds of name spaces (clone(2)).
_OPTIONS = {
    0x00020000: "mount",
    0x02000000: "cgroup",
    0x04000000: "uts",
    0x08000000: "ipc",
    0x10000000: "user",
    0x20000000: "pid",
    0x40000000: "net",
}


async def run_within(namespaces: Sequence[int], words: Sequence[str]) -> int:
    """Runs a program in name spaces, with this one's input and output; returns its exit code.

    Raises:
        CommandFailed: One of the descriptors is no name space.
    """
    from virloom.host.process import SpawnRequest, start

    sys.stdout.flush()
    argv = ["nsenter", *(_option(one) for one in namespaces), "--", *words]
    request = SpawnRequest(
        argv, stdin=0, stdout=1, stderr=2, pass_fds=namespaces, umask=-1, new_session=False
    )
    process = await start(request)
    try:
        code = await process.wait()
    finally:
        process.close()
    return 1 if code is None else code


def _option(descriptor: int) -> str:
    try:
        kind = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
    except OSError as error:
        raise CommandFailed(
            f"descriptor {descriptor} is no name space: {error.strerror}"
        ) from error
    return f"--{_OPTIONS[kind]}=/proc/{os.getpid()}/fd/{descriptor}"
