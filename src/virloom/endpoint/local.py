# SPDX-License-Identifier: Apache-2.0
"""An endpoint whose driver runs in this process."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from virloom.endpoint.dispatch import Call, Dispatcher
from virloom.endpoint.endpoint import Endpoint, copies_to_send
from virloom.endpoint.identity import Identity
from virloom.endpoint.readonly import check_readonly
from virloom.endpoint.session import Session
from virloom.endpoint.stream import StreamEnd
from virloom.errors import InternalError, InvalidConn
from virloom.host.fdpass import OwnedFds
from virloom.procedures.record import Procedure, Record, Void

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
T = TypeVar("T")


class LocalEndpoint(Endpoint):
    """Calls a dispatcher on the event loop that runs its driver.

    The opener may live on another loop (another thread of the process): calls, events and the
    close then cross over; on the same loop nothing is scheduled for a handler that cannot wait.

    Args:
        dispatcher: The driver's handlers.
        home: The event loop that the driver runs on.
        identity: The caller.
        release: Awaited on the home loop when the connection is closed, after its session.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        home: asyncio.AbstractEventLoop,
        identity: Identity,
        release: Callable[[], Awaitable[None]],
    ) -> None:
        self._dispatcher = dispatcher
        self._home = home
        self._opener = asyncio.get_running_loop()
        self._release = release
        self._session = Session(identity, self._deliver)
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def call(self, procedure: Procedure[A, R], args: A) -> R:
        result, _ = await self._dispatch(procedure, args)
        return result

    async def call_with_fds(
        self, procedure: Procedure[A, R], args: A, fds: Sequence[int] = ()
    ) -> tuple[R, OwnedFds]:
        result, call = await self._dispatch(procedure, args, copies_to_send(fds))
        return result, call.given_fds()

    async def open_stream(self, procedure: Procedure[A, R], args: A) -> tuple[R, StreamEnd]:
        result, call = await self._dispatch(procedure, args)
        if call.stream is None:
            raise InternalError(f"{procedure.name} gave no stream")
        self._session.on_close(call.stream.abort)
        return result, call.stream

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._at_home(self._close_at_home)
        if self.on_close is not None:
            self.on_close(None)

    async def _close_at_home(self) -> None:
        await self._session.close()
        if self._running:
            await asyncio.wait(self._running)
        await self._release()

    async def _dispatch(
        self, procedure: Procedure[A, R], args: A, fds: OwnedFds | None = None
    ) -> tuple[R, Call]:
        if self._closed:
            raise InvalidConn(f"{procedure.name}: the connection is closed")
        if self._session.identity.readonly:
            check_readonly(procedure, args)
        call = Call(self._session, procedure, fds.release() if fds is not None else ())
        return await self._at_home(lambda: self._run(call, args)), call

    async def _run(self, call: Call, args: Record) -> Any:
        outcome = self._dispatcher.start(call, args)
        if inspect.isawaitable(outcome):
            try:
                outcome = await self._as_task(outcome)
            except asyncio.CancelledError:
                call.abandon()
                raise
        return outcome

    async def _as_task(self, work: Awaitable[T]) -> T:
        """Awaits *work* as a task of its own, which a cancelled caller leaves running."""
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled no longer asks for it

    async def _at_home(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if asyncio.get_running_loop() is self._home:
            return await work()
        if not self._home.is_running():
            raise InvalidConn("the event loop that runs this driver has ended")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._home))

    def _deliver(
        self, procedure: Procedure[Any, Void], message: Record, _encoded: bytes | None
    ) -> None:
        if self._opener is self._home:
            self._notify(procedure, message)
        elif not self._opener.is_closed():
            self._opener.call_soon_threadsafe(self._notify, procedure, message)

    def _notify(self, procedure: Procedure[Any, Void], message: Record) -> None:
        if self.on_event is not None:
            self.on_event(procedure, message)


def opener(handlers: Dispatcher) -> Callable[[Identity], Awaitable[Endpoint]]:
    """How another driver of the same process reaches the one with *handlers*."""

    async def connect(identity: Identity) -> Endpoint:
        return LocalEndpoint(handlers, asyncio.get_running_loop(), identity, _nothing)

    return connect


async def _nothing() -> None:
    """The driver is its owner's to close."""
