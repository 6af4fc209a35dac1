# SPDX-License-Identifier: Apache-2.0
"""The one private thread of the process that runs the async client for blocking callers."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, Generic, TypeVar

from virloom.client.link import Link
from virloom.endpoint.remote import RemoteEndpoint
from virloom.errors import InvalidConn, OperationInvalid
from virloom.procedures.record import Procedure, Record

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
T = TypeVar("T")

#: Seconds that what still runs has to end when the interpreter exits.
_EXIT_PATIENCE = 2.0


class _Outcome(Generic[T]):
    """What a coroutine gives, for one thread that waits on a lock and not on a future of futures.

    Its task wakes that thread as its last deed, so that no turn of the loop comes between.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._settled = threading.Lock()
        self._settled.acquire()

    def begin(self) -> None:
        """On the loop's thread."""
        self._task = asyncio.create_task(self._settle())

    def _give_up(self) -> None:
        assert self._task is not None  # begun before this
        self._task.cancel()

    def wait(self, loop: asyncio.AbstractEventLoop) -> T:
        """What the coroutine returned, or raises what it raised; who is interrupted cancels it."""
        try:
            self._settled.acquire()
        except BaseException:  # what a signal's handler raises
            loop.call_soon_threadsafe(self._give_up)
            raise
        error, self._error = self._error, None
        try:
            if isinstance(error, asyncio.CancelledError):  # asyncio's own would end a task of ours
                raise CancelledError from error
            if error is not None:
                raise error
        finally:
            del error  # its traceback has this frame, and would hold all in a cycle
        return self._value.pop()

    async def _settle(self) -> None:
        try:
            self._value.append(await self._work)
        except BaseException as exc:
            self._error = exc
        finally:
            self._settled.release()


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
        outcome: _Outcome[T] = _Outcome(work)
        try:
            self._loop.call_soon_threadsafe(outcome.begin)
        except RuntimeError as exc:
            work.close()
            raise _exiting() from exc
        return outcome.wait(self._loop)

    def call(self, link: Link, procedure: Procedure[A, R], args: A) -> R:
        """As :meth:`run` of one call; over a wire without a task for it.

        Raises:
            VirloomError: What the driver answered, or as :meth:`run`.
        """
        endpoint = link.endpoint
        if not isinstance(endpoint, RemoteEndpoint) or endpoint.home is not self._loop:
            return self.run(link.call(procedure, args))
        self._check()
        args = link.prepared(procedure, args)
        try:
            return endpoint.call_waiting(procedure, args)
        except RuntimeError as exc:
            if self._loop.is_closed():
                raise _exiting() from exc
            raise

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


def _exiting() -> InvalidConn:
    return InvalidConn("the interpreter is exiting, its event loop has ended")


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
