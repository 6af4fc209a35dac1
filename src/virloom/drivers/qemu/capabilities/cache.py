# SPDX-License-Identifier: Apache-2.0
"""Capabilities kept: in memory for all drivers of the process, on disk for each root.

What was found out about a binary holds as long as the binary and QEMU's directories of loadable
modules stay the same files. A cache file that does not fit, or is damaged, is replaced.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from virloom.drivers.qemu.capabilities import facts
from virloom.drivers.qemu.capabilities.binary import BinaryCaps, FactsMissing, Parts
from virloom.drivers.qemu.capabilities.probe import TIMEOUT, Credentials, ask
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError, system_failure
from virloom.host.files import ensure_directory, write_atomic
from virloom.host.process import Process

_log = logging.getLogger(__name__)

T = TypeVar("T")

Identity = tuple[tuple[int, ...], ...]

#: What this process knows already, by path: facts about files are the same for every driver.
_known: dict[str, tuple[Identity, BinaryCaps]] = {}


def forget() -> None:
    """Forgets what this process knows; files stay. For tests and benchmarks of a first start."""
    _known.clear()


class CapabilityCache:
    """The capabilities of binaries.

    Args:
        directory: Where files are kept, in ``capabilities/`` below it; made when needed.
        credentials: Whom a QEMU that is probed runs as.
        timeout: Seconds that a probe may take.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        credentials: Credentials = Credentials(),  # noqa: B008 - immutable
        timeout: float = TIMEOUT,
    ) -> None:
        self._directory = Path(directory) / "capabilities"
        self._credentials = credentials
        self._timeout = timeout
        self._busy: dict[str, asyncio.Lock] = {}
        self._ending: set[Process] = set()

    async def get(self, binary: str, parts: Parts = Parts.BASE) -> BinaryCaps:
        """What *binary* can do, with at least *parts* of the facts; the cheap ones come always.

        Cancelling ends a probe that nobody else can use.

        Raises:
            SystemFailure: There is no such file, or it cannot be started.
            InternalError: It is no QEMU.
            OperationTimeout: It did not answer.
        """
        parts |= Parts.BASE
        caps = self.known(binary, parts)
        if caps is not None:
            return caps
        async with self._busy.setdefault(binary, asyncio.Lock()):
            # Whoever held the lock may have asked for the same.
            return self.known(binary, parts) or await self._probe(binary, parts)

    def known(self, binary: str, parts: Parts = Parts.BASE) -> BinaryCaps | None:
        """What is known without asking QEMU, if that has all of *parts*.

        Raises:
            SystemFailure: There is no such file.
        """
        caps = self._recall(binary, identity(binary))
        return caps if caps is not None and parts in caps.parts else None

    async def apply(
        self, binary: str, function: Callable[[BinaryCaps], T], caps: BinaryCaps | None = None
    ) -> T:
        """The result of *function*, given capabilities with what it turns out to need.

        It gets the cheap facts first, and is called again from its beginning when it asks for
        others: it must leave no trace before. Raises what it and :meth:`get` raise.

        Args:
            caps: What *function* is to begin with, for who has just got it.
        """
        parts = Parts.BASE
        while True:
            if caps is None:
                caps = await self.get(binary, parts)
            try:
                return function(caps)
            except FactsMissing as exc:
                parts |= exc.parts
                caps = None

    async def close(self) -> None:
        """Returns when every QEMU that was probed is gone and reaped."""
        for process in tuple(self._ending):
            await process.wait()

    def _recall(self, binary: str, now: Identity) -> BinaryCaps | None:
        remembered = _known.get(binary)
        if remembered is not None and remembered[0] == now:
            return remembered[1]
        caps = _load(self._file(binary), binary, now)
        if caps is not None:
            _known[binary] = (now, caps)
        return caps

    async def _probe(self, binary: str, parts: Parts) -> BinaryCaps:
        before = identity(binary)
        old = self._recall(binary, before)
        wanted = parts & ~(old.parts & ~Parts.BASE) if old is not None else parts
        answers = await ask(
            binary, wanted, self._credentials, timeout=self._timeout, on_spawn=self._watch
        )
        try:
            caps = facts.merged(old, facts.from_answers(binary, answers, wanted))
        except ValueError as exc:
            raise InternalError(
                f"cannot find out what emulator '{binary}' can do: {exc}", domain=ErrorDomain.QEMU
            ) from exc
        if identity(binary) == before:
            # An upgrade in between would give facts of one binary to the other.
            _known[binary] = (before, caps)
            self._save(binary, before, caps)
        return caps

    def _watch(self, process: Process) -> None:
        self._ending.add(process)
        process.on_exit(lambda _: self._ending.discard(process))

    def _file(self, binary: str) -> Path:
        # Two paths may share a file: each says whose it is. (hashlib would cost 5 ms to import.)
        digest = zlib.crc32(os.fsencode(binary))
        return self._directory / f"{os.path.basename(binary)[:64]}-{digest:08x}.json"

    def _save(self, binary: str, known_as: Identity, caps: BinaryCaps) -> None:
        data = {"identity": known_as, "facts": facts.to_json(caps)}
        try:
            ensure_directory(self._directory)
            write_atomic(self._file(binary), json.dumps(data).encode(), durable=False)
        except VirloomError as exc:
            # A full disk costs the next process a probe, and this one nothing.
            _log.warning("capabilities of '%s' are not kept: %s", binary, exc)


def identity(binary: str) -> Identity:
    """What changes when a binary, or a directory that it loads modules from, is replaced.

    Raises:
        SystemFailure: There is no such file.
    """
    try:
        status = os.stat(binary)
    except OSError as exc:
        raise system_failure(f"Cannot check QEMU binary {binary}", exc) from exc
    parts = [_identity(status)]
    for directory in _module_directories():
        try:
            parts.append(_identity(os.stat(directory)))
        except OSError:
            parts.append(())
    return tuple(parts)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _module_directories() -> list[str]:
    """Where distributions put QEMU's modules (Debian, Fedora and SUSE, Arch)."""
    machine = os.uname().machine
    return [f"/usr/lib/{machine}-linux-gnu/qemu", "/usr/lib64/qemu", "/usr/lib/qemu"]


def _load(file: Path, binary: str, now: Identity) -> BinaryCaps | None:
    try:
        data = json.loads(file.read_bytes())
        stored = tuple(tuple(part) for part in data["identity"])
        caps = facts.from_json(data["facts"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        _log.warning("capabilities in '%s' are not usable and will be renewed: %s", file, exc)
        return None
    return caps if stored == now and caps.path == binary else None
