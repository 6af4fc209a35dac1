# SPDX-License-Identifier: Apache-2.0
"""The one private thread of the process that runs the async client for blocking callers."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from virloom.errors import InvalidConn, OperationInvalid

T = TypeVar("T")

#: Seconds that what still runs has to end when the interpreter exits.
_EXIT_PATIENCE = 2.0


class Portal:
    """An event loop on a daemon thread, into which any other thread may call."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="virloom", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs *work* there and waits for it.

        A caller that is interrupted (KeyboardInterrupt) cancels its own wait, and no more.

        Raises:
            InvalidConn: The process has forked since; the connection belongs to its parent.
            OperationInvalid: The caller is that very thread, which would wait for itself.
        """
        try:
            self._check()
        except BaseException:
            work.close()
            raise
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as exc:
            work.close()
            raise InvalidConn("the interpreter is exiting, its event loop has ended") from exc
        try:
            return future.result()
        except BaseException:
            future.cancel()  # does nothing to one that has failed by itself
            raise
        finally:
            del future  # an error's traceback has this frame, and would hold all in a cycle

    def stop(self) -> None:
        """Ends the thread; for the interpreter's exit."""
        if self._pid == os.getpid() and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2 * _EXIT_PATIENCE)

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise InvalidConn(
                f"process {os.getpid()}: the connection was opened by process {self._pid}, "
                "before a fork",
                remedy="open a connection of your own in this process",
            )
        if threading.current_thread() is self._thread:
            raise OperationInvalid(
                "a blocking call from the thread of the event loop would wait for itself",
                remedy="make it from another thread, or use virloom.open",
            )

    def _main(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_all())
        finally:
            self._loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_EXIT_PATIENCE)


class _Home:
    """The process's portal, and those of the processes that it was forked from."""

    lock = threading.Lock()
    portal: Portal | None = None
    #: Kept, so that the collector does not close what still belongs to the parent.
    inherited: list[Portal]


_Home.inherited = []


def portal() -> Portal:
    """The portal of this process; started on first use."""
    with _Home.lock:
        if _Home.portal is None:
            _Home.portal = Portal()
            atexit.register(_Home.portal.stop)
        return _Home.portal


def _after_fork() -> None:
    _Home.lock = threading.Lock()  # another thread may have held it
    if _Home.portal is not None:
        _Home.inherited.append(_Home.portal)
        _Home.portal = None


os.register_at_fork(after_in_child=_after_fork)
