# SPDX-License-Identifier: Apache-2.0
"""Processes that serve directories of the host over virtiofs, one for each.

``virtiofsd`` gets a socket that listens in the guest's own directory, and ends when QEMU, its only
client, lets go of it. One whose QEMU never came is ended with the failed start, or found by the
guest's marker in its environment.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from virloom.drivers.qemu.capabilities.vhost_user import find_server
from virloom.drivers.qemu.command.filesystem import server_socket
from virloom.drivers.qemu.devices.props.filesystem import filesystem_alias
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, OperationFailed, system_failure
from virloom.host.files import Directory, ensure_directory
from virloom.host.process import Process, SpawnRequest, spawn
from virloom.model.domain import Domain, Filesystem

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


def served_filesystems(dom: Domain) -> list[Filesystem]:
    """The directories that need a process of ours; one with a socket has its own already."""
    return [
        filesystem
        for filesystem in dom.devices.filesystems
        if filesystem.driver.type == "virtiofs" and not filesystem.source.socket
    ]


class FilesystemServers:
    """The processes of one start.

    Args:
        driver: The driver.
        dom: The guest, whose document learns of the programs.
        environment: Of the processes.
        connected: Where given, each is connected to before it is there, for a QEMU that runs
            already; closes the connections.

    Attributes:
        clients: Those connections, by alias.
    """

    def __init__(
        self,
        driver: QemuDriver,
        dom: Domain,
        environment: Mapping[str, str],
        connected: ExitStack | None = None,
    ) -> None:
        self.clients: dict[str, socket.socket] = {}
        self._connected = connected
        self._driver = driver
        self._dom = dom
        self._environment = environment
        self._processes: list[Process] = []

    def logs(self) -> dict[str, str]:
        """Where each of them writes what it has to say, by its alias."""
        directory = self._driver.directories.log
        aliases = map(filesystem_alias, served_filesystems(self._dom))
        return {alias: f"{directory}/{self._dom.name}-{alias}-virtiofsd.log" for alias in aliases}

    def start(
        self, directory: Directory, owner: tuple[int, int] | None, pipes: Mapping[str, int]
    ) -> None:
        """Starts one for every directory.

        Args:
            directory: The guest's own.
            owner: Whom QEMU runs as, if that is somebody else.
            pipes: To write to instead of :meth:`logs`, where virtlogd writes those.

        Raises:
            ConfigUnsupported: We are not root.
            InternalError: No program is installed.
            OperationFailed: The directory is missing.
            SystemFailure: The process cannot be started.
        """
        filesystems = served_filesystems(self._dom)
        if filesystems and os.geteuid() != 0:
            raise ConfigUnsupported(
                "virtiofs needs a driver that runs as root", domain=ErrorDomain.QEMU
            )
        for filesystem in filesystems:
            pipe = pipes.get(filesystem_alias(filesystem))
            self._start(filesystem, directory, owner, pipe)

    async def kill(self) -> None:
        """Ends those that still run, when the start fails."""
        for process in self._processes:
            if not process.ended:
                process.send_signal(signal.SIGKILL)
                await process.wait()

    def _start(
        self,
        filesystem: Filesystem,
        directory: Directory,
        owner: tuple[int, int] | None,
        pipe: int | None,
    ) -> None:
        program = _program(filesystem)
        shared = filesystem.source.dir or ""
        if not os.path.isdir(shared):
            raise OperationFailed(
                f"the directory '{shared}', which virtiofs is to share, does not exist",
                domain=ErrorDomain.QEMU,
            )
        name = os.path.basename(server_socket(filesystem, ""))
        with ExitStack() as stack:
            listener = stack.enter_context(directory.listen_unix(name))
            listener.setblocking(True)  # the program waits in accept()
            if self._connected is not None:
                client = self._connected.enter_context(directory.connect_unix(name))
                client.setblocking(True)
                self.clients[filesystem_alias(filesystem)] = client
            if owner is not None:
                os.chown(f"/proc/self/fd/{directory.fileno()}/{name}", *owner)
            log = pipe if pipe is not None else self._log(filesystem, stack)
            process = spawn(
                SpawnRequest(
                    argv=server_arguments(filesystem, program, listener.fileno()),
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                )
            )
        self._processes.append(process)
        process.on_exit(lambda _code: process.close())

    def _log(self, filesystem: Filesystem, stack: ExitStack) -> int:
        ensure_directory(self._driver.directories.log)
        path = self.logs()[filesystem_alias(filesystem)]
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise system_failure(f"cannot open the log '{path}'", error) from error
        stack.callback(os.close, fd)
        return fd


def _program(filesystem: Filesystem) -> str:
    """The program, which the document then names."""
    binary = filesystem.binary
    binary.path = binary.path or find_server()
    if binary.path is None:
        raise InternalError(
            f"no program serves file system '{filesystem.target.dir}' over virtiofs",
            domain=ErrorDomain.QEMU,
            remedy="install qemu-system-common, or name one with <binary path='…'/>",
        )
    if not os.access(binary.path, os.X_OK):
        raise OperationFailed(
            f"'{binary.path}', which is to serve file system '{filesystem.target.dir}', cannot "
            "be executed",
            domain=ErrorDomain.QEMU,
        )
    return binary.path


def server_arguments(filesystem: Filesystem, program: str, fd: int) -> list[str]:
    """The command line of the process that accepts QEMU's connection on *fd*."""
    binary = filesystem.binary
    source = (filesystem.source.dir or "").replace("\\", "\\\\").replace(",", "\\,")
    options = [f"source={source}"]
    for name, value in (("cache", binary.cache.mode), ("sandbox", binary.sandbox.mode)):
        if value is not None:
            options.append(f"{name}={value}")
    for name, switch in (
        ("xattr", binary.xattr),
        ("flock", binary.lock.flock),
        ("posix_lock", binary.lock.posix),
    ):
        if switch is not None:
            options.append(name if switch else f"no_{name}")
    argv = [program, f"--fd={fd}", "-o", ",".join(options)]
    if binary.thread_pool.size is not None:
        argv.append(f"--thread-pool-size={binary.thread_pool.size}")
    if binary.openfiles.max:
        argv.append(f"--rlimit-nofile={binary.openfiles.max}")
    return argv
