# SPDX-License-Identifier: Apache-2.0
"""virtlogd, as one guest uses it: pipes to write to, lines of ours, and what was written."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import UUID

from virloom.drivers.qemu.process.attendant import Attendant
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, NoSupport, VirloomError
from virloom.procedures import log as p

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

_TRUNCATE = 1

Position = p.VirLogManagerProtocolLogFilePosition


class LogDaemon(Attendant):
    """The daemon; connected while it is needed.

    Args:
        driver: Knows the way to it.
        guest: For whom.
    """

    area = "log"
    name = "virtlogd"

    def __init__(self, driver: QemuDriver, guest: Guest) -> None:
        super().__init__(driver)
        self._owner = p.VirLogManagerProtocolDomain(UUID(guest.uuid_text).bytes, guest.name)

    async def open(self, path: str, *, truncate: bool = False) -> tuple[int, Position]:
        """A descriptor to write to, the caller's own, and where that begins in the log.

        Raises:
            SystemFailure: Somebody else writes it, or it cannot be opened.
            VirloomError: The daemon is away.
        """
        flags = _TRUNCATE if truncate else 0
        args = p.VirLogManagerProtocolDomainOpenLogFileArgs("qemu", self._owner, path, flags)
        result, fds = await self.ask(p.DOMAIN_OPEN_LOG_FILE, args)
        with fds:
            (fd,) = fds.release()
        return fd, result.pos

    async def append(self, path: str, text: str) -> None:
        """Adds *text* to a log.

        Raises:
            VirloomError: It cannot be written, or the daemon is away.
        """
        args = p.VirLogManagerProtocolDomainAppendLogFileArgs("qemu", self._owner, path, text)
        await self.ask(p.DOMAIN_APPEND_LOG_FILE, args)

    async def read(self, path: str, position: Position, length: int) -> str:
        """What a log has from a position on.

        Raises:
            VirloomError: It cannot be read, or the daemon is away.
        """
        args = p.VirLogManagerProtocolDomainReadLogFileArgs(path, position, length)
        result, _ = await self.ask(p.DOMAIN_READ_LOG_FILE, args)
        return str(result.data)


async def choose(driver: QemuDriver, guest: Guest) -> LogDaemon | None:
    """virtlogd, connected; None where the guest's files are written without it.

    Raises:
        VirloomError: qemu.conf asks for it, and it is not there.
    """
    wanted = driver.config.stdio_handler
    if wanted == "file":
        return None
    daemon = LogDaemon(driver, guest)
    try:
        await daemon.connect()
    except NoSupport as exc:
        if wanted is None:
            return None
        raise ConfigUnsupported(
            f"domain '{guest.name}': qemu.conf says stdio_handler = \"logd\", and there is no "
            "virtlogd here",
            domain=ErrorDomain.QEMU,
            remedy='start virtlogd, or set stdio_handler = "file"',
        ) from exc
    except VirloomError as exc:
        if wanted is not None:
            raise
        logger.warning("domain '%s' writes its files itself: %s", guest.name, exc.message)
        return None
    return daemon


async def open_pipes(
    daemon: LogDaemon | None, logs: Mapping[str, tuple[str, bool]], opened: ExitStack
) -> dict[str, int]:
    """Pipes into logs, where virtlogd writes them; none where it does not.

    Args:
        logs: By the key of each, where it is and whether its old content goes.
        opened: Closes our ends.

    Raises:
        VirloomError: As :meth:`LogDaemon.open`.
    """
    pipes: dict[str, int] = {}
    if daemon is None:
        return pipes
    for key, (path, truncate) in logs.items():
        pipes[key], _ = await daemon.open(path, truncate=truncate)
        opened.callback(os.close, pipes[key])
    return pipes
