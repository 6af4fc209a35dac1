# SPDX-License-Identifier: Apache-2.0
"""Processes and pipes that a plugged device needs beside QEMU: file servers, and virtlogd."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.process import logd
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.host.files import Directory
from virloom.host.guardian import MARKER
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def logged(
    driver: QemuDriver, running: RunningGuest, requests: Sequence[FileRequest], opened: ExitStack
) -> dict[str, int]:
    """Pipes to virtlogd for what a port writes, where that is whom guests write to.

    Raises:
        VirloomError: qemu.conf asks for it, and it is not there.
    """
    logs = {entry.key: (entry.path, entry.truncate) for entry in requests if entry.log}
    return await _pipes(driver, running, logs, opened)


async def _pipes(
    driver: QemuDriver,
    running: RunningGuest,
    logs: dict[str, tuple[str, bool]],
    opened: ExitStack,
) -> dict[str, int]:
    if not logs:
        return {}
    daemon = await logd.choose(driver, running.guest)
    try:
        return await logd.open_pipes(daemon, logs, opened)
    finally:
        if daemon is not None:
            await daemon.close()


async def file_server(
    driver: QemuDriver,
    running: RunningGuest,
    only: Domain,
    owner: tuple[int, int] | None,
    opened: ExitStack,
) -> dict[str, int]:
    """Starts the process that serves a directory over virtiofs, if *only* has one to be served.

    QEMU is given our connection to it, for it may not be allowed down the path to the socket. The
    server ends with its connection: also when this process dies before QEMU has it.

    Args:
        owner: Whom QEMU runs as, if that is somebody else.
        opened: Closes our end.

    Returns:
        The connection, by alias.

    Raises:
        VirloomError: It cannot be started.
    """
    if not only.devices.filesystems:
        return {}
    from virloom.drivers.qemu.process.virtiofs import FilesystemServers  # few guests need it

    servers = FilesystemServers(driver, only, {MARKER: running.record.marker}, opened)
    with ExitStack() as lent:
        logs = {alias: (path, False) for alias, path in servers.logs().items()}
        pipes = await _pipes(driver, running, logs, lent)
        directory = lent.enter_context(Directory(Path(running.record.directory)))
        servers.start(directory, owner, pipes)
        for alias in servers.clients:
            directory.unlink(f"{alias}-fs.sock")  # nobody else is to come
    return {alias: client.fileno() for alias, client in servers.clients.items()}
