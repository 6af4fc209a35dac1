# SPDX-License-Identifier: Apache-2.0
"""A guest's log: what QEMU writes to its standard output and error, and what was done to it."""

from __future__ import annotations

import asyncio
import fcntl
import glob
import os
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.errors import VirloomError, system_failure
from virloom.guestlog.logs import timestamp

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.process.logd import LogDaemon, Position

#: Bytes of QEMU's last words that an error message may hold.
WORDS_LIMIT = 2048

#: Bytes that are read of what QEMU said.
_MOST = 1 << 20

#: The time that ``-msg timestamp=on`` puts before each message.
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)


class GuestLog(ABC):
    """An open log of one run."""

    @abstractmethod
    def fileno(self) -> int:
        """The descriptor that QEMU writes to."""

    @abstractmethod
    async def starting(self, argv: Sequence[str], environment: Sequence[str]) -> None:
        """Notes the start with the whole command, ready to paste; QEMU's words come after it."""

    @abstractmethod
    def started(self) -> dict[str, Any]:
        """QEMU has its descriptor by now; what to record for whoever takes the guest over."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Adds a line of ours; a full disk is no reason to fail what is being logged."""

    @abstractmethod
    async def last_words(self) -> str:
        """What QEMU said in this run, at most its last two kilobytes, without times."""

    @abstractmethod
    async def settled(self) -> None:
        """Returns when all notes are written."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of it; a second call does nothing."""


class FileLog(GuestLog):
    """A log file that QEMU has open itself.

    Args:
        path: Where it is; made if missing.
        offset: Where this run's part begins; the present end if None.
    """

    def __init__(self, path: Path, offset: int | None = None) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, 0o600)
        except OSError as exc:
            raise system_failure(f"cannot open the log file '{path}'", exc) from exc
        self.offset = os.fstat(self._fd).st_size if offset is None else offset

    def fileno(self) -> int:
        """The descriptor that QEMU writes to; appends."""
        return self._fd

    async def starting(self, argv: Sequence[str], environment: Sequence[str]) -> None:
        self.note(_start_note(argv, environment))
        self.offset = os.fstat(self._fd).st_size

    def started(self) -> dict[str, Any]:
        return {"log_offset": self.offset}

    def note(self, text: str) -> None:
        try:
            os.write(self._fd, f"{timestamp()}: {text}\n".encode())
        except OSError:
            return

    async def last_words(self) -> str:
        size = os.fstat(self._fd).st_size
        start = max(self.offset, size - WORDS_LIMIT)
        return _words(os.pread(self._fd, WORDS_LIMIT, start).decode(errors="replace"))

    async def settled(self) -> None:
        return

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class DaemonLog(GuestLog):
    """A log that virtlogd writes.

    Args:
        driver: Runs what is to be done without waiting.
        daemon: virtlogd.
        path: The log.
        position: Where this run's part begins.
        pipe: What QEMU writes to; ours until QEMU has it. None for a guest that was taken over.
    """

    def __init__(
        self,
        driver: QemuDriver,
        daemon: LogDaemon,
        path: str,
        position: Position,
        pipe: int | None = None,
    ) -> None:
        self._driver = driver
        self._daemon = daemon
        self._path = path
        self._position = position
        self._pipe = pipe
        self._turn = asyncio.Lock()
        self._last_note: asyncio.Task[None] | None = None

    def fileno(self) -> int:
        assert self._pipe is not None
        return self._pipe

    async def starting(self, argv: Sequence[str], environment: Sequence[str]) -> None:
        line = f"{timestamp()}: {_start_note(argv, environment)}\n"
        assert self._pipe is not None
        if len(line.encode()) < fcntl.fcntl(self._pipe, fcntl.F_GETPIPE_SZ) // 2:
            os.write(self._pipe, line.encode())  # nobody else has it yet: there is room
        else:
            await self._daemon.append(self._path, line)
        begun = self._position
        self._position = type(begun)(begun.inode, begun.offset + len(line.encode()))

    def started(self) -> dict[str, Any]:
        self.close()
        return {"log": {"inode": self._position.inode, "offset": self._position.offset}}

    def note(self, text: str) -> None:
        line = f"{timestamp()}: {text}\n"
        self._last_note = self._driver.background(self._note(line), f"note in '{self._path}'")

    async def _note(self, line: str) -> None:
        async with self._turn:  # in the order in which they were made
            try:
                await self._daemon.append(self._path, line)
            finally:
                await self._daemon.close()

    async def last_words(self) -> str:
        await self.settled()
        try:
            text = await self._daemon.read(self._path, self._position, _MOST)
        except VirloomError as exc:
            return f"(what QEMU said cannot be read: {exc.message})"
        return _words(text[-WORDS_LIMIT:])

    async def settled(self) -> None:
        if self._last_note is not None:
            await asyncio.wait([self._last_note])

    def close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


async def open_log(driver: QemuDriver, guest: Guest, daemon: LogDaemon | None) -> GuestLog:
    """The log of a guest that is about to start.

    Raises:
        VirloomError: It cannot be opened.
    """
    path = driver.directories.guest_log(guest.name)
    if daemon is None:
        return FileLog(path)
    pipe, position = await daemon.open(str(path))
    return DaemonLog(driver, daemon, str(path), position, pipe)


def reopen_log(driver: QemuDriver, guest: Guest, runtime: dict[str, Any]) -> GuestLog:
    """The log of a guest that is taken over.

    Args:
        runtime: Of its record.

    Raises:
        SystemFailure: It cannot be opened.
    """
    path = driver.directories.guest_log(guest.name)
    place = runtime.get("log")
    if place is None:
        return FileLog(path, runtime.get("log_offset"))
    from virloom.drivers.qemu.process.logd import LogDaemon, Position

    position = Position(place["inode"], place["offset"])
    return DaemonLog(driver, LogDaemon(driver, guest), str(path), position)


def remove_logs(path: Path) -> None:
    """Removes a log, and what virtlogd has made of it."""
    for found in [path, *path.parent.glob(f"{glob.escape(path.name)}.*")]:
        if found == path or found.suffix[1:].isdigit():
            found.unlink(missing_ok=True)


def _start_note(argv: Sequence[str], environment: Sequence[str]) -> str:
    command = " \\\n".join([*environment, shlex.quote(argv[0]), *_options(argv[1:])])
    return f"starting up\n{command}"


def _words(text: str) -> str:
    return _TIME.sub("", text).strip()


def _options(argv: Sequence[str]) -> list[str]:
    """One string for each option with its value."""
    lines: list[str] = []
    for word in argv:
        if word.startswith("-") or not lines:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += " " + shlex.quote(word)
    return lines
