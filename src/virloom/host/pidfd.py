# SPDX-License-Identifier: Apache-2.0
"""Processes held by descriptor: the end of any process as an event of the loop.

No thread, no SIGCHLD handler, no polling; works for children and for processes taken over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Callable

from virloom.host.identity import (
    ProcessIdentity,
    find_by_environ,
    processes_with_environ,
)

__all__ = [
    "PidFd",
    "ProcessIdentity",
    "find_by_environ",
    "processes_with_environ",
    "reap",
]


def exit_code(result: os.waitid_result) -> int:
    """The exit code of a waited process, a signal as its negative number (as in subprocess)."""
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def reap(pid: int) -> int | None:
    """Reap our child *pid* if it has ended.

    Returns:
        Its exit code (a signal as its negative number), or None while it runs and for a process
        that is not an unreaped child of ours.
    """
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    return exit_code(result) if result is not None else None


class PidFd:
    """A process descriptor whose process is certain.

    Callbacks run on the event loop of the first :meth:`on_exit` or :meth:`wait`; the others must
    come from the same loop. Close it when done; an unclosed one is closed with its last reference.
    """

    def __init__(self, fd: int, identity: ProcessIdentity) -> None:
        self._fd = fd
        self.identity = identity
        self._loop: asyncio.AbstractEventLoop | None = None
        self._callbacks: dict[object, Callable[[], object]] = {}

    @classmethod
    def open(cls, identity: ProcessIdentity) -> PidFd:
        """Hold the process that *identity* means.

        Raises:
            ProcessLookupError: It has ended (and was reaped), or its pid is another's by now.
        """
        fd = os.pidfd_open(identity.pid)
        # Checked after the open: from here on the descriptor cannot come to mean another process.
        if not identity.matches():
            os.close(fd)
            raise ProcessLookupError(f"process {identity.pid} is not the one that was meant")
        return cls(fd, identity)

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._fd

    def has_exited(self) -> bool:
        """Whether the process has ended, reaped or not; does not wait."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def send_signal(self, number: int) -> bool:
        """Send a signal; False when the process has ended already.

        Raises:
            PermissionError: It is another user's.
        """
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return False
        return True

    def reap(self) -> int | None:
        """Reap the process if it is our child and has ended.

        Returns:
            The exit code (a signal as its negative number); None while it runs.

        Raises:
            ChildProcessError: It is not our child, or somebody has reaped it.
        """
        result = os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOHANG)
        return exit_code(result) if result is not None else None

    def on_exit(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call *callback* once, on the running loop, when the process has ended.

        A process that has ended already is reported in the loop's next round, never from here.

        Returns:
            A function that takes the callback back.
        """
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise RuntimeError(f"process {self.identity.pid} is watched by another event loop")
        if not self._callbacks:
            loop.add_reader(self._fd, self._fire)
        self._loop = loop
        key = object()
        self._callbacks[key] = callback
        return lambda: self._forget(key)

    async def wait(self) -> None:
        """Return when the process has ended. Cancelling leaves the process alone."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        forget = self.on_exit(lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            forget()

    def close(self) -> None:
        """Close the descriptor; callbacks that have not run never will. May be called twice."""
        if self._fd < 0:
            return
        self._callbacks.clear()
        self._unwatch()
        os.close(self._fd)
        self._fd = -1

    def __del__(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)

    def _fire(self) -> None:
        callbacks = list(self._callbacks.values())
        self._callbacks.clear()
        self._unwatch()
        for callback in callbacks:
            callback()

    def _forget(self, key: object) -> None:
        if self._callbacks.pop(key, None) is not None and not self._callbacks:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        self._loop = None
