# SPDX-License-Identifier: Apache-2.0
"""A user's own daemon: connected to, and started first where nobody serves, under a lock.

The lock file and what the daemon gets are those of libvirt's own client, so that the two of them
do not start two daemons at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from virloom.client.address import session_programs, unix_socket
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, SystemFailure, system_failure
from virloom.host.pidfd import PidFd, ProcessIdentity
from virloom.host.process import run
from virloom.host.session_run import session_run
from virloom.transport.unix import SocketTransport, connect_unix
from virloom.uri import ConnectURI

#: Seconds without use after which a daemon that was started on demand ends.
IDLE = 120

#: Seconds that a daemon has to listen, and between two looks whether it does.
_PATIENCE, _LOOK = 30.0, 0.01

#: Runs a program in the background, and says which process that is.
_IN_BACKGROUND = '"$@" >/dev/null 2>&1 & echo $!'

#: A lock of the whole file, of another open file than ours, for fcntl(2).
_FLOCK = struct.Struct("hhqqi4x")


def find_program(names: Sequence[str]) -> str:
    """The program of the first daemon that there is.

    That is what ``VIRTD_PATH`` or ``LIBVIRTD_PATH`` name, else one of the PATH, else one beside the
    interpreter.

    Raises:
        InternalError: There is none.
    """
    for variable in ("VIRTD_PATH", "LIBVIRTD_PATH"):
        if path := os.environ.get(variable):
            return path
    beside = Path(sys.executable).parent
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), str(beside), "/usr/sbin"))
    for name in names:
        if found := shutil.which(name, path=search):
            return found
    raise InternalError(
        f"cannot find the daemon {' or '.join(names)} to start it",
        remedy="install it, or name it in LIBVIRTD_PATH",
    )


async def connect_or_start(uri: ConnectURI, *, readonly: bool) -> SocketTransport:
    """Connects to the daemon of a user's session.

    Raises:
        SystemFailure: It cannot be started, or ends at once.
        OSError: It cannot be connected to, for another reason than its absence.
    """
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        return await connect_unix(unix_socket(uri, readonly=readonly))
    program = find_program(session_programs(uri))
    lock = _Lock(f"{session_run()}/{os.path.basename(program)}.lock")
    try:
        await asyncio.to_thread(lock.take)
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return await connect_unix(unix_socket(uri, readonly=readonly))
        return await _start(uri, program, readonly=readonly)
    finally:
        lock.release()


async def _start(uri: ConnectURI, program: str, *, readonly: bool) -> SocketTransport:
    argv = ["/bin/sh", "-c", _IN_BACKGROUND, "sh", program, f"--timeout={IDLE}"]
    started = await run(argv)
    pid = int(started.stdout)
    with contextlib.closing(PidFd.open(ProcessIdentity.of(pid))) as daemon:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            path = unix_socket(uri, readonly=readonly)  # of whichever daemon it is
            try:
                return await connect_unix(path)
            except (FileNotFoundError, ConnectionRefusedError) as exc:
                if daemon.has_exited():
                    raise SystemFailure(
                        f"the daemon '{program}' ended before it served '{path}'",
                        remedy="start it by hand to see what it says",
                        domain=ErrorDomain.RPC,
                    ) from exc
                if asyncio.get_running_loop().time() > deadline:
                    doing = f"'{program}' does not serve '{path}' after {_PATIENCE:.0f} seconds"
                    raise system_failure(doing, exc, domain=ErrorDomain.RPC) from exc
            # A daemon tells its starter of its end alone.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await daemon.wait()


class _Lock:
    """The lock of those who start a daemon; of one process, too, only one has it at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None
        self._released = False

    def take(self) -> None:
        """Waits until it is ours; in a thread.

        Raises:
            SystemFailure: It cannot be had at all.
        """
        try:
            os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            whole = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            try:
                fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, whole)
            except OSError:
                os.close(fd)
                raise
        except OSError as exc:
            raise system_failure(f"cannot lock '{self._path}'", exc) from exc
        self._fd = fd
        if self._released:  # whoever waited for it has gone meanwhile
            self.release()

    def release(self) -> None:
        """Lets the next one have it; idempotent."""
        self._released = True
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
