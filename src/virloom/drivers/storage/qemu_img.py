# SPDX-License-Identifier: Apache-2.0
"""``qemu-img``, run to its end: within limits, and with passphrases that no other process sees.

A passphrase is on no command line and in no file: it is a descriptor that the program inherits.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

#: Seconds: copying a large image takes long on a slow disk.
_PATIENCE = 24 * 3600.0
#: Bytes of address space: the tables of the largest image that QEMU takes fit in (an L1 table of
#: 32 MiB, a refcount table of 8 MiB, the caches of both and of each image below).
_MEMORY = 4 << 30
#: What a program's words begin with that is not to go on when this process is killed: what it
#: works at is undone by whoever comes next.
ENDING_WITH_US = ("setpriv", "--pdeathsig", "KILL")
#: What it says where the kernel has counted no processor time for a turn of key derivation, which
#: happens on busy hosts: QEMU measures how many turns take two seconds. Another try does.
_UNMEASURED, _ATTEMPTS = b"Unable to get accurate CPU usage", 10


async def qemu_img(
    host: StorageHost,
    command: str,
    words: Sequence[str],
    *,
    doing: str,
    keys: Mapping[str, bytes] | None = None,
) -> None:
    """Runs one command of it.

    Args:
        host: Where, and for which work.
        command: ``create``, ``convert``, ``resize``, …
        words: What follows it.
        doing: For the message: ``cannot make volume 'v'``.
        keys: Passphrases, by the name that *words* have for each.

    Raises:
        InternalError: It would not, with its words.
        OperationTimeout: It did not end within a day.
        OperationAborted: The work was given up.
        SystemFailure: It cannot be started.
    """
    with contextlib.ExitStack() as resources:
        objects: list[str] = []
        descriptors: list[int] = []
        for name, value in (keys or {}).items():
            descriptor = _anonymous(value, resources)
            descriptors.append(descriptor)
            objects += ["--object", f"secret,id={name},file=/proc/self/fd/{descriptor}"]
        limits = ["prlimit", f"--as={_MEMORY}", "--core=0", *ENDING_WITH_US]
        line = [*limits, "qemu-img", command, "-q", *objects, *words]
        for _ in range(_ATTEMPTS):
            done = await host.run(line, timeout=_PATIENCE, pass_fds=descriptors)
            if done.returncode == 0 or command != "create" or _UNMEASURED not in done.stderr:
                break
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        if host.work.path is not None:  # a name that nobody else sees
            said = said.replace(f"{host.work.path}: ", "")
        raise InternalError(
            f"{doing}: {said or f'qemu-img ended with {done.returncode}'}", domain=ErrorDomain.NONE
        )


def _anonymous(value: bytes, resources: contextlib.ExitStack) -> int:
    """A descriptor of a file without a name that holds *value*."""
    descriptor = os.memfd_create("virloom-key", os.MFD_CLOEXEC)
    resources.callback(os.close, descriptor)
    view = memoryview(value)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor
