# SPDX-License-Identifier: Apache-2.0
"""What back ends use of the host: its programs, and its files below a root.

Tests hand in another one, whose programs answer from a recorded dialogue and whose root is a tree
of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path

from virloom.drivers.storage.blocks import block_volume
from virloom.drivers.storage.long_work import LongWork
from virloom.endpoint.areas import Areas
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.host import process
from virloom.host.process import Completed
from virloom.model.storage import Volume

#: Seconds: making a file system on a large slow disk, or asking a server that is away.
_PATIENCE = 3600.0


class StorageHost:
    """The host.

    Args:
        root: Where its ``/dev``, ``/proc`` and ``/sys`` are.
        claims: Descriptors that its programs inherit: locks that last until the last of them has
            ended, whatever becomes of us (:mod:`virloom.drivers.storage.activation`).
        areas: Where secrets come from; without any there are none.
        work: What its programs run for, and end with when it is given up.
        holds: Whether an active pool has the file at a path: by default, none has any.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        claims: Sequence[int] = (),
        areas: Areas | None = None,
        work: LongWork | None = None,
        holds: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self.root = root
        self.areas = areas or Areas()
        self.work = work or LongWork()
        self.holds = holds
        self._claims = tuple(claims)
        self._locks: dict[str, asyncio.Lock] = {}

    def claimed(self, descriptor: int) -> StorageHost:
        """The same host, whose programs inherit *descriptor* too."""
        host = copy(self)
        host._claims = (*self._claims, descriptor)
        return host

    def working(self, work: LongWork) -> StorageHost:
        """The same host, whose programs end when *work* is given up."""
        host = copy(self)
        host.work = work
        return host

    def lock(self, name: str) -> asyncio.Lock:
        """The lock of what *name* says: programs that change it do not keep others out."""
        return self._locks.setdefault(name, asyncio.Lock())

    def path(self, name: str) -> Path:
        """The file *name*, which is absolute, of the host."""
        return self.root / name.lstrip("/")

    async def device(self, path: str, name: str) -> Volume:
        """The volume that a block device is, as :func:`block_volume`."""
        return await asyncio.to_thread(block_volume, path, name)

    async def run(
        self,
        words: Sequence[str],
        *,
        timeout: float = _PATIENCE,
        env: Mapping[str, str] | None = None,
        input: bytes | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        """Runs a program to its end; how it ended is the caller's to judge.

        Args:
            timeout: Seconds that it may take.
            env: Its whole environment; None is ours.
            input: What it reads.
            pass_fds: Descriptors that it gets under the same numbers: secrets are handed over so.

        Raises:
            SystemFailure: It cannot be started.
            OperationTimeout: It took longer.
            OperationAborted: What it runs for was given up.
        """
        with self.work.ending():
            return await process.run(
                words, input=input, timeout=timeout, env=env, pass_fds=(*self._claims, *pass_fds)
            )

    async def output(self, words: Sequence[str], *, timeout: float = _PATIENCE) -> str:
        """What a program prints that must succeed, in the C locale.

        Raises:
            InternalError: It did not (libvirt's code and domain), with its words.
            SystemFailure: It cannot be started.
            OperationTimeout: It took longer.
        """
        done = await self.run(["env", "LC_ALL=C", *words], timeout=timeout)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise InternalError(
                f"'{' '.join(words)}' ended with status {done.returncode}: {said}",
                domain=ErrorDomain.NONE,
            )
        return done.stdout.decode(errors="replace")
