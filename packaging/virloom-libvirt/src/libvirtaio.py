# SPDX-License-Identifier: Apache-2.0
"""libvirt's ``libvirtaio`` over Virloom: libvirt's event loop API on an asyncio loop.

Handles and timeouts are numbered; their callbacks run as callbacks of the loop. What a removed one
carried is freed in a later turn of the loop, never inside the removal.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import libvirt

__all__ = ["getCurrentImpl", "virEventAsyncIOImpl", "virEventRegisterAsyncIOImpl"]

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class Callback:
    """A function of libvirt's, and what it is called with."""

    _numbers = itertools.count(1)

    def __init__(
        self,
        impl: virEventAsyncIOImpl,
        cb: Callable[[int, _T], None],
        opaque: _T,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.iden = next(Callback._numbers)
        self.impl = impl
        self.cb: Callable[..., None] = cb
        self.opaque: Any = opaque

    def __repr__(self) -> str:
        return f"<{type(self).__name__} iden={self.iden}>"

    def close(self) -> None:
        """Frees what it carries, soon."""
        self.impl.schedule_ff_callback(self.iden, self.opaque)


class FDCallback(Callback):
    """Watches a descriptor."""

    def __init__(self, *args: Any, descriptor: Descriptor, event: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.descriptor = descriptor
        self.event = event

    def __repr__(self) -> str:
        return f"<FDCallback iden={self.iden} fd={self.descriptor.fd} event={self.event}>"

    def update(self, event: int) -> None:
        """Watches for other events."""
        self.event = event
        self.descriptor.update()


class TimeoutCallback(Callback):
    """Runs at intervals while it has one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout = -1
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<TimeoutCallback iden={self.iden} timeout={self.timeout}>"

    async def _timer(self) -> None:
        while True:
            # Waits out the interval; an interval of nothing is one turn of the loop.
            turn = self.impl.loop.create_future()
            self.impl.loop.call_later(self.timeout / 1000, _done, turn)
            await turn
            self.cb(self.iden, self.opaque)

    def update(self, timeout: int) -> None:
        """Another interval in milliseconds, from now on; -1 for never."""
        self.timeout = timeout
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if timeout >= 0:
            self._task = self.impl.loop.create_task(self._timer())

    def close(self) -> None:
        self.update(-1)
        super().close()


class Descriptor:
    """A descriptor and all that watch it: asyncio has one reader and one writer for each."""

    def __init__(self, impl: virEventAsyncIOImpl, fd: int) -> None:
        self.impl = impl
        self.fd = fd
        self.callbacks: dict[int, FDCallback] = {}

    def _handle(self, event: int) -> None:
        for callback in list(self.callbacks.values()):
            if callback.event & event and callback.iden in self.callbacks:
                callback.cb(callback.iden, self.fd, event, callback.opaque)

    def update(self) -> None:
        """Has the loop watch for what is wanted now."""
        wanted = 0
        for callback in self.callbacks.values():
            wanted |= callback.event
        loop = self.impl.loop
        if wanted & libvirt.VIR_EVENT_HANDLE_READABLE:
            loop.add_reader(self.fd, self._handle, libvirt.VIR_EVENT_HANDLE_READABLE)
        else:
            loop.remove_reader(self.fd)
        if wanted & libvirt.VIR_EVENT_HANDLE_WRITABLE:
            loop.add_writer(self.fd, self._handle, libvirt.VIR_EVENT_HANDLE_WRITABLE)
        else:
            loop.remove_writer(self.fd)

    def add_handle(self, callback: FDCallback) -> None:
        """One more that watches."""
        self.callbacks[callback.iden] = callback
        self.update()

    def remove_handle(self, iden: int) -> None:
        """One less."""
        callback = self.callbacks.pop(iden)
        self.update()
        callback.close()


class DescriptorDict(dict[Any, Any]):
    """Descriptors by number, made when they are asked for."""

    def __init__(self, impl: virEventAsyncIOImpl) -> None:
        super().__init__()
        self.impl = impl

    def __missing__(self, fd: int) -> Descriptor:
        descriptor = self[fd] = Descriptor(self.impl, fd)
        return descriptor


class virEventAsyncIOImpl:
    """libvirt's event loop API on one asyncio loop. May be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop if loop is not None else asyncio.get_running_loop()
        self.callbacks: dict[int, Callback] = {}
        self.descriptors = DescriptorDict(self)
        self._pending = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return f"<virEventAsyncIOImpl callbacks={list(self.callbacks)} pending={self._pending}>"

    def _pending_inc(self) -> None:
        self._pending += 1
        self._idle.clear()

    def _pending_dec(self) -> None:
        self._pending -= 1
        if self._pending == 0:
            self._idle.set()

    def register(self) -> virEventAsyncIOImpl:
        """Makes this the event loop of libvirt; returns itself."""
        libvirt.virEventRegisterImpl(
            self._add_handle, self._update_handle, self._remove_handle,
            self._add_timeout, self._update_timeout, self._remove_timeout,
        )  # fmt: skip
        return self

    def schedule_ff_callback(self, iden: int, opaque: Any) -> None:
        """Frees what a removed handle or timeout carried, in a later turn of the loop."""
        self._on_loop(self._schedule, iden, opaque)

    def _schedule(self, iden: int, opaque: Any) -> None:
        self._pending_inc()
        self.loop.create_task(self._ff_callback(iden, opaque))

    async def _ff_callback(self, iden: int, opaque: Any) -> None:
        try:
            libvirt.virEventInvokeFreeCallback(opaque)
        finally:
            self._pending_dec()

    async def drain(self) -> None:
        """Waits until everything removed is freed."""
        await self._idle.wait()

    def is_idle(self) -> bool:
        """Whether nothing is registered, and everything removed is freed."""
        return not self.callbacks and self._pending == 0

    def _add_handle(self, fd: int, event: int, cb: Callable[..., None], opaque: Any) -> int:
        callback = FDCallback(self, cb, opaque, descriptor=Descriptor(self, fd), event=event)
        self.callbacks[callback.iden] = callback
        self._on_loop(self._watch, callback, fd)
        return callback.iden

    def _watch(self, callback: FDCallback, fd: int) -> None:
        if self.callbacks.get(callback.iden) is callback:
            callback.descriptor = self.descriptors[fd]
            callback.descriptor.add_handle(callback)

    def _update_handle(self, watch: int, event: int) -> None:
        callback = self.callbacks[watch]
        assert isinstance(callback, FDCallback)
        self._on_loop(callback.update, event)

    def _remove_handle(self, watch: int) -> int:
        callback = self.callbacks.pop(watch, None)
        if not isinstance(callback, FDCallback):
            return -1
        self._now_on_loop(self._unwatch, callback)
        return 0

    def _unwatch(self, callback: FDCallback) -> None:
        descriptor = callback.descriptor
        if callback.iden in descriptor.callbacks:
            descriptor.remove_handle(callback.iden)
            if not descriptor.callbacks:
                self.descriptors.pop(descriptor.fd, None)
        else:
            callback.close()

    def _add_timeout(self, timeout: int, cb: Callable[..., None], opaque: Any) -> int:
        callback = TimeoutCallback(self, cb, opaque)
        self.callbacks[callback.iden] = callback
        self._on_loop(callback.update, timeout)
        return callback.iden

    def _update_timeout(self, timer: int, timeout: int) -> None:
        callback = self.callbacks[timer]
        assert isinstance(callback, TimeoutCallback)
        self._on_loop(callback.update, timeout)

    def _remove_timeout(self, timer: int) -> int:
        callback = self.callbacks.pop(timer, None)
        if callback is None:
            return -1
        self._on_loop(callback.close)
        return 0

    def _on_loop(self, function: Callable[..., object], *args: Any) -> None:
        """Calls *function* on the loop: at once where this is it, else soon."""
        if asyncio._get_running_loop() is self.loop:
            function(*args)
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def _now_on_loop(self, function: Callable[..., object], *args: Any) -> None:
        """The same, done when it returns: the caller closes the descriptor right after."""
        if asyncio._get_running_loop() is self.loop or not self.loop.is_running():
            if not self.loop.is_closed():
                function(*args)
            return
        done: asyncio.Future[None] | Any = asyncio.run_coroutine_threadsafe(
            _called(function, *args), self.loop
        )
        done.result()


async def _called(function: Callable[..., object], *args: Any) -> None:
    function(*args)


def _done(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


class _Current:
    """The implementation that is registered."""

    impl: virEventAsyncIOImpl | None = None


def getCurrentImpl() -> virEventAsyncIOImpl | None:
    """The registered implementation, or None."""
    return _Current.impl


def virEventRegisterAsyncIOImpl(
    loop: asyncio.AbstractEventLoop | None = None,
) -> virEventAsyncIOImpl:
    """Registers *loop*, or the running one, as libvirt's event loop."""
    _Current.impl = virEventAsyncIOImpl(loop).register()
    return _Current.impl
