# SPDX-License-Identifier: Apache-2.0
"""``virtlogd``: what guests write, in files of bounded size."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.config import DaemonConfig
from virloom.daemon.handover import Store
from virloom.daemon.lasting import LastingConfig, LastingService, take_directory
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.rights import FILES, Rights
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.runtime import arguments
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, VirloomError
from virloom.guestlog.alone import leave_alone, take_back
from virloom.guestlog.files import Limits, Position
from virloom.guestlog.logs import GuestLogs, Owner
from virloom.host.fdpass import OwnedFds
from virloom.host.lock import RootLock
from virloom.procedures import log as p

logger = logging.getLogger(__name__)

#: Refuses flags that a function does not know.
_check_flags = partial(arguments.check_flags, domain=ErrorDomain.LOGGING)

#: ``VIR_LOG_MANAGER_PROTOCOL_DOMAIN_OPEN_LOG_FILE_TRUNCATE``
_TRUNCATE = 1
#: Bytes that one call may read: the longest text of the program.
_MOST = 4 * 1024 * 1024


class LogConfig(LastingConfig):
    """``virtlogd.conf``.

    Attributes:
        max_size: Bytes of a log, above which another file is begun; 0: never.
        max_backups: Full files that are kept beside each log.
    """

    def __init__(self) -> None:
        super().__init__()
        self.max_size = Limits().size
        self.max_backups = Limits().backups

    def bounds(self, name: str) -> tuple[int, int | None]:
        return (0, None) if name in ("max_size", "max_backups") else super().bounds(name)


class LogHandlers:
    """The procedures of the log program. None of them waits: each is done when it is answered."""

    def __init__(self, logs: GuestLogs) -> None:
        self._logs = logs

    @serves(p.DOMAIN_OPEN_LOG_FILE)
    def open(
        self, call: Call, args: p.VirLogManagerProtocolDomainOpenLogFileArgs
    ) -> p.VirLogManagerProtocolDomainOpenLogFileRet:
        _check_flags(args.flags, _TRUNCATE, "virLogHandlerDomainOpenLogFile")
        _check_path(args.path)
        owner = Owner(args.driver, args.dom.name, str(UUID(bytes=args.dom.uuid)))
        truncate = bool(args.flags & _TRUNCATE)
        fd, position = self._logs.open(args.path, owner, truncate=truncate)
        call.give_fd(fd)
        return p.VirLogManagerProtocolDomainOpenLogFileRet(_wire(position))

    @serves(p.DOMAIN_GET_LOG_FILE_POSITION)
    def position(
        self, call: Call, args: p.VirLogManagerProtocolDomainGetLogFilePositionArgs
    ) -> p.VirLogManagerProtocolDomainGetLogFilePositionRet:
        _check_flags(args.flags, 0, "virLogHandlerDomainGetLogFilePosition")
        position = self._logs.position(args.path)
        return p.VirLogManagerProtocolDomainGetLogFilePositionRet(_wire(position))

    @serves(p.DOMAIN_READ_LOG_FILE)
    def read(
        self, call: Call, args: p.VirLogManagerProtocolDomainReadLogFileArgs
    ) -> p.VirLogManagerProtocolDomainReadLogFileRet:
        if args.maxlen > _MOST:
            raise InternalError(
                f"Requested data len {args.maxlen} is larger than maximum {_MOST}",
                domain=ErrorDomain.RPC,
            )
        _check_flags(args.flags, 0, "virLogHandlerDomainReadLogFile")
        _check_path(args.path)
        position = Position(args.pos.inode, args.pos.offset)
        data = self._logs.read(args.path, position, args.maxlen)
        # A text of this protocol has no zeroes, and ends at one where it is read.
        text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
        return p.VirLogManagerProtocolDomainReadLogFileRet(text)

    @serves(p.DOMAIN_APPEND_LOG_FILE)
    def append(
        self, call: Call, args: p.VirLogManagerProtocolDomainAppendLogFileArgs
    ) -> p.VirLogManagerProtocolDomainAppendLogFileRet:
        _check_flags(args.flags, 0, "virLogHandlerDomainAppendLogFile")
        _check_path(args.path)
        self._logs.append(args.path, args.message.encode("utf-8", "surrogateescape"))
        return p.VirLogManagerProtocolDomainAppendLogFileRet(0)


def _wire(position: Position) -> p.VirLogManagerProtocolLogFilePosition:
    return p.VirLogManagerProtocolLogFilePosition(position.inode, position.offset)


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        raise InvalidArg(f"'{path}' is no absolute path", domain=ErrorDomain.LOGGING)


class LogService(LastingService):
    """The logs of guests, served to root and to the daemon's own user."""

    programs = frozenset((p.PROGRAM,))

    def __init__(self, state: Path, lock: RootLock) -> None:
        self._lock = lock
        self._state = state
        self._handed_on = False
        self._logs = GuestLogs(state, Limits(), Store())
        self._dispatcher = Dispatcher([LogHandlers(self._logs)])

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def configure(self, config: DaemonConfig) -> None:
        if isinstance(config, LogConfig):
            self._logs.limits = Limits(config.max_size, config.max_backups)

    def adopt(self, descriptors: Mapping[str, int]) -> None:
        """Those that were handed over, and those of who kept them while there was no daemon."""
        kept = take_back(self._state)
        for name in kept.keys() & descriptors.keys():
            os.close(kept.pop(name))
        self._logs.adopt({**descriptors, **kept})
        for name, fd in kept.items():
            if name in self._logs.held():
                Store().keep(name, fd)

    def held(self) -> Mapping[str, int]:
        self._handed_on = True
        return self._logs.held()

    def busy(self) -> bool:
        """What guests write would be lost with the daemon."""
        return len(self._logs) > 0

    async def close(self) -> None:
        """Without a next process, somebody goes on with what guests write."""
        left = {} if self._handed_on else self._logs.held()
        with OwnedFds.copies(list(left.values())) as copies:
            self._logs.close()
            if left:
                pipes = dict(zip(left, copies.numbers, strict=True))
                try:
                    leave_alone(self._state, self._logs.limits, pipes)
                except VirloomError as exc:
                    logger.error("what guests write from now on is lost: %s", exc.message)
        self._lock.release()


async def _open(places: Places) -> Service:
    directory, lock = take_directory(places, "virtlogd", ErrorDomain.LOGGING)
    return LogService(directory / "logs.json", lock)


SPEC = DaemonSpec(
    "virtlogd",
    "Virloom guest log daemon",
    _open,
    config=LogConfig,
    reads=False,
    lasting=True,
    # One pipe for each guest: without this right they shrink from some number on.
    rights=Rights((*FILES, "SYS_RESOURCE"), gains=False),
)


def main() -> int:
    """The program."""
    return run(SPEC)
