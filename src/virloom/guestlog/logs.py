# SPDX-License-Identifier: Apache-2.0
"""All logs that guests have open: what they write goes to the files as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError, system_failure
from virloom.guestlog import files
from virloom.guestlog.files import Limits, LogFile, Position
from virloom.host.files import write_atomic
from virloom.host.keeper import Keeper

logger = logging.getLogger(__name__)

#: Seconds after which a log is looked at again. A guest that writes each character by itself, as
#: serial ports do, would else wake us as often.
_RESPITE = 0.01
#: Bytes that a pipe may hold while nobody takes them, if the host allows it.
_PIPE = 1 << 18
#: Steps in a row for one guest that writes without end, before others have their turn.
_STEPS = 16


class Owner(NamedTuple):
    """Whose log it is."""

    driver: str
    name: str
    uuid: str


class _Open:
    """A pipe whose other end a guest has, and the file that it goes to."""

    def __init__(self, name: str, pipe: int, file: LogFile, owner: Owner) -> None:
        self.name = name
        self.pipe = pipe
        self.file = file
        self.owner = owner
        self.lost = 0
        self.respite: asyncio.TimerHandle | None = None


def timestamp() -> str:
    """The present time as libvirt writes it in logs."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{now}.{milliseconds:03d}+0000"


class GuestLogs:
    """The open logs of one daemon, on the event loop that makes it.

    Args:
        state: The file that says which descriptor is which log, for the next process.
        limits: How large logs may become.
        keeper: Who has the descriptors when we are killed.

    Attributes:
        on_empty: Called when the last log has ended.
    """

    def __init__(self, state: Path, limits: Limits, keeper: Keeper) -> None:
        self.limits = limits
        self.on_empty: Callable[[], None] | None = None
        self._state = state
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    # -- what is asked for ---------------------------------------------------------------------

    def open(self, path: str, owner: Owner, *, truncate: bool) -> tuple[int, Position]:
        """A pipe's end to write to, the caller's own, and where in the log that begins.

        Raises:
            SystemFailure: Somebody has the log open (EBUSY), or it cannot be opened.
        """
        self._refuse_open(path)
        file = LogFile(path, self.limits, truncate=truncate)
        try:
            reader, writer = os.pipe2(os.O_CLOEXEC)
        except OSError as exc:
            file.close()
            raise system_failure("cannot make a pipe", exc, domain=ErrorDomain.LOGGING) from exc
        os.set_blocking(reader, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE)
        name = f"log-{os.urandom(6).hex()}"
        self._open[path] = _Open(name, reader, file, owner)
        try:
            self._save()
        except VirloomError:
            os.close(writer)
            self._end(path)
            raise
        self._keeper.keep(name, reader)
        self._watch(path)
        return writer, file.position

    def _refuse_open(self, path: str) -> None:
        self._drain(path)  # its guest may have ended just now
        if path in self._open:
            busy = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            raise system_failure(
                f"Cannot open log file: '{path}'", busy, domain=ErrorDomain.LOGGING
            )

    def position(self, path: str) -> Position:
        """Where the next byte of an open log goes.

        Raises:
            InternalError: It is not open (libvirt's code for it).
        """
        self._drain(path)
        log = self._open.get(path)
        if log is None:
            raise InternalError(f"No open log file {path}", domain=ErrorDomain.LOGGING)
        return log.file.position

    def read(self, path: str, position: Position, length: int) -> bytes:
        """What a log has from a position on, with all that has been written to it by now.

        Raises:
            SystemFailure: There is none, or it cannot be read.
        """
        self._drain(path)
        try:
            return files.read(path, position, length, self.limits.backups)
        except OSError as exc:
            raise system_failure(f"Unable to read file: {path}", exc) from exc

    def append(self, path: str, data: bytes) -> None:
        """Adds to a log, open or not, after what has been written to it by now.

        Raises:
            SystemFailure: It cannot be written.
        """
        self._drain(path)
        log = self._open.get(path)
        file = log.file if log is not None else LogFile(path, self.limits)
        try:
            file.append(data)
        except OSError as exc:
            raise system_failure(f"Unable to write file: {path}", exc) from exc
        finally:
            if log is None:
                file.close()

    # -- what guests write ---------------------------------------------------------------------

    def _watch(self, path: str) -> None:
        log = self._open[path]
        log.respite = None
        self._loop.add_reader(log.pipe, self._readable, path)

    def _readable(self, path: str) -> None:
        self._drain(path)
        log = self._open.get(path)
        if log is not None:
            self._loop.remove_reader(log.pipe)
            log.respite = self._loop.call_later(_RESPITE, self._watch, path)

    def _drain(self, path: str) -> None:
        """Takes what waits in a log's pipe, up to a bound; forgets the log at its end."""
        log = self._open.get(path)
        if log is None:
            return
        for _ in range(_STEPS):
            try:
                if not self._take(log):
                    self._end(path)
                    self._try_save()
                    return
            except BlockingIOError:
                return

    def _take(self, log: _Open) -> int:
        """One step; what the file does not take is lost, for a guest must not wait for a disk."""
        try:
            taken = log.file.take(log.pipe)
        except BlockingIOError:
            raise
        except OSError as exc:
            taken = len(os.read(log.pipe, 1 << 16))
            if not log.lost:
                logger.error("'%s' is not written, what comes is lost: %s", log.file.path, exc)
            log.lost += taken
            return taken
        if log.lost and taken:
            self._tell_loss(log)
        return taken

    def _tell_loss(self, log: _Open) -> None:
        seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
        note = (
            f"\n{now}.{milliseconds:03d}+0000: {log.lost} bytes before this could not be written\n"
        )
        try:
            log.file.append(note.encode())
        except OSError:
            return  # full again: said when there is room
        logger.warning("'%s' is written again", log.file.path)
        log.lost = 0

    def _end(self, path: str) -> None:
        log = self._open.pop(path)
        self._keeper.forget(log.name)
        self._let_go(log)
        if not self._open and self.on_empty is not None:
            self.on_empty()

    def _let_go(self, log: _Open) -> None:
        self._loop.remove_reader(log.pipe)
        if log.respite is not None:
            log.respite.cancel()
        os.close(log.pipe)
        log.file.close()

    # -- from one process to the next ----------------------------------------------------------

    def adopt(self, pipes: Mapping[str, int]) -> None:
        """Goes on with what an earlier process had open; *pipes* are ours from now on."""
        known = self._load()
        for name, pipe in pipes.items():
            entry = known.get(name)
            try:
                if entry is None:
                    raise KeyError(f"'{self._state}' does not say which log it is")
                owner = Owner(entry["driver"], entry["domain"], entry["uuid"])
                self._refuse_open(entry["path"])
                file = LogFile(entry["path"], self.limits, resumed=True)
            except (KeyError, TypeError, VirloomError) as exc:
                logger.error("the descriptor %s is of no log: %s", name, exc)
                self._keeper.forget(name)
                os.close(pipe)
                continue
            os.set_blocking(pipe, False)
            self._open[entry["path"]] = _Open(name, pipe, file, owner)
            self._watch(entry["path"])
        self._try_save()

    def held(self) -> dict[str, int]:
        """The pipes by name, for whoever hands them to the next process; they stay ours."""
        return {log.name: log.pipe for log in self._open.values()}

    def close(self) -> None:
        """Takes what waits, and lets go; the keeper still has what is open."""
        for path in list(self._open):
            self._drain(path)
        for log in self._open.values():
            self._let_go(log)
        self._open.clear()

    def _save(self) -> None:
        content = {
            "version": 1,
            "logs": {
                log.name: {
                    "path": path,
                    "driver": log.owner.driver,
                    "domain": log.owner.name,
                    "uuid": log.owner.uuid,
                }
                for path, log in self._open.items()
            },
        }
        # Nothing of it outlives a boot, so it need not survive a loss of power.
        write_atomic(self._state, json.dumps(content, indent=1).encode(), durable=False)

    def _try_save(self) -> None:
        try:
            self._save()
        except VirloomError as exc:
            logger.error("%s", exc.message)

    def _load(self) -> dict[str, Any]:
        try:
            content = json.loads(self._state.read_bytes())
            return dict(content["logs"]) if content["version"] == 1 else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as exc:
            logger.error("'%s' is not usable: %s", self._state, exc)
            return {}
