# SPDX-License-Identifier: Apache-2.0
"""The event loop API: the default loop, or an application's own; handles and timeouts."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from libvirt._errors import fail_without_error

#: What goes through an implementation as ``opaque``: a function, its argument, what frees it.
Opaque = tuple[Callable[..., object], Any, Callable[[Any], object] | None]

_READABLE, _WRITABLE, _ERROR, _HANGUP = 1, 2, 4, 8


class DefaultLoop:
    """The loop that ``virEventRunDefaultImpl`` turns; its tables may change from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._handles: dict[int, tuple[int, int, Any, Any]] = {}
        self._timers: dict[int, tuple[int, float, Any, Any]] = {}
        self._next = 1
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def add_handle(self, fd: int, events: int, cb: Any, opaque: Any) -> int:
        """Watches *fd*; returns the watch's number."""
        with self._lock:
            watch = self._number()
            self._handles[watch] = (fd, events, cb, opaque)
        self._interrupt()
        return watch

    def update_handle(self, watch: int, events: int) -> None:
        """Watches for other events; an unknown watch is ignored."""
        with self._lock:
            if watch in self._handles:
                fd, _, cb, opaque = self._handles[watch]
                self._handles[watch] = (fd, events, cb, opaque)
        self._interrupt()

    def remove_handle(self, watch: int) -> int:
        """Ends a watch; -1 when there is none."""
        with self._lock:
            found = self._handles.pop(watch, None)
        self._interrupt()
        return _freed(found)

    def add_timeout(self, timeout: int, cb: Any, opaque: Any) -> int:
        """Calls *cb* every *timeout* milliseconds; -1 for never."""
        with self._lock:
            timer = self._number()
            self._timers[timer] = (timeout, _deadline(timeout), cb, opaque)
        self._interrupt()
        return timer

    def update_timeout(self, timer: int, timeout: int) -> None:
        """Another interval, from now on; an unknown timer is ignored."""
        with self._lock:
            if timer in self._timers:
                _, _, cb, opaque = self._timers[timer]
                self._timers[timer] = (timeout, _deadline(timeout), cb, opaque)
        self._interrupt()

    def remove_timeout(self, timer: int) -> int:
        """Ends a timer; -1 when there is none."""
        with self._lock:
            found = self._timers.pop(timer, None)
        self._interrupt()
        return _freed(found)

    def run_once(self) -> None:
        """Waits for the next handle or timer (or a change of the tables), and calls its callback.

        What a callback raises is printed, and the loop goes on.
        """
        with self._lock:
            handles = dict(self._handles)
            wait = self._patience()
        ready = self._poll(handles, wait)
        now = time.monotonic()
        with self._lock:
            due = [(timer, row) for timer, row in self._timers.items() if row[1] <= now]
        for timer, row in due:
            self._fire(timer, row, now)
        for watch, (fd, _, cb, opaque) in handles.items():
            events = ready.get(fd, 0)
            with self._lock:
                current = self._handles.get(watch)
            if current is not None and events & (current[1] | _ERROR | _HANGUP):
                cb(watch, fd, events & (current[1] | _ERROR | _HANGUP), opaque)

    def _fire(self, timer: int, row: tuple[int, float, Any, Any], now: float) -> None:
        with self._lock:
            if self._timers.get(timer) is not row:
                return
            interval, _, cb, opaque = row
            self._timers[timer] = (interval, now + interval / 1000, cb, opaque)
        cb(timer, opaque)

    def _poll(self, handles: dict[int, tuple[int, int, Any, Any]], wait: int | None) -> Any:
        poller = select.poll()
        wanted: dict[int, int] = {}
        for fd, events, _, _ in handles.values():
            if events:
                wanted[fd] = wanted.get(fd, 0) | events
        for fd, events in wanted.items():
            poller.register(fd, _to_poll(events))
        poller.register(self._wake, select.POLLIN)
        found = {fd: _from_poll(mask) for fd, mask in poller.poll(wait)}
        if found.pop(self._wake, None):
            os.eventfd_read(self._wake)
        return found

    def _patience(self) -> int | None:
        """Milliseconds until the next timer, rounded up; None where there is none."""
        nearest = min((row[1] for row in self._timers.values()), default=float("inf"))
        if nearest == float("inf"):
            return None
        return max(0, int((nearest - time.monotonic()) * 1000 + 0.999))

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _interrupt(self) -> None:
        os.eventfd_write(self._wake, 1)


class _Registered:
    """The implementation of this process: six functions, or none yet."""

    functions: tuple[Callable[..., Any], ...] | None = None
    default: DefaultLoop | None = None
    by_program = False


def virEventRegisterDefaultImpl() -> int:
    """Registers the loop that :func:`virEventRunDefaultImpl` turns; the first registration wins."""
    if _Registered.functions is None:
        loop = _Registered.default = DefaultLoop()
        _Registered.functions = (
            loop.add_handle, loop.update_handle, loop.remove_handle,
            loop.add_timeout, loop.update_timeout, loop.remove_timeout,
        )  # fmt: skip
    return 0


def virEventRunDefaultImpl() -> int:
    """Turns the default loop once: waits for something, and calls what is due."""
    if _Registered.default is None:
        fail_without_error("virEventRunDefaultImpl")
    _Registered.default.run_once()
    return 0


def virEventRegisterImpl(
    addHandle: Callable[..., Any],
    updateHandle: Callable[..., Any],
    removeHandle: Callable[..., Any],
    addTimeout: Callable[..., Any],
    updateTimeout: Callable[..., Any],
    removeTimeout: Callable[..., Any],
) -> None:
    """Registers an application's own loop; the default loop stays where it was registered first.

    Raises:
        RuntimeError: The application has registered one already.
    """
    if _Registered.by_program:
        raise RuntimeError("Event loop is already registered")
    _Registered.by_program = True
    if _Registered.functions is None:
        _Registered.functions = (
            addHandle, updateHandle, removeHandle, addTimeout, updateTimeout, removeTimeout,
        )  # fmt: skip


def is_registered() -> bool:
    """Whether there is an event loop at all."""
    return _Registered.functions is not None


def virEventAddHandle(fd: int, events: int, cb: Callable[..., object], opaque: Any) -> int:
    """Calls ``cb(watch, fd, events, opaque)`` when something happens to *fd*."""
    data = {"cb": cb, "opaque": opaque}
    return watch_fd(fd, events, _dispatchEventHandleCallback, data)


def virEventAddTimeout(timeout: int, cb: Callable[..., object], opaque: Any) -> int:
    """Calls ``cb(timer, opaque)`` every *timeout* milliseconds."""
    add = _function(3, "virEventAddTimeout")
    data = (_dispatchEventTimeoutCallback, {"cb": cb, "opaque": opaque}, None)
    return int(add(timeout, _eventInvokeTimeoutCallback, data))


def watch_fd(fd: int, events: int, function: Callable[..., object], argument: Any) -> int:
    """Has the registered loop call ``function(watch, fd, events, argument)``."""
    add = _function(0, "virEventAddHandle")
    return int(add(fd, events, _eventInvokeHandleCallback, (function, argument, None)))


def virEventUpdateHandle(watch: int, events: int) -> None:
    """Other events for a watch."""
    _function(1, "virEventUpdateHandle")(watch, events)


def virEventUpdateTimeout(timer: int, timeout: int) -> None:
    """Another interval for a timer; -1 for never."""
    _function(4, "virEventUpdateTimeout")(timer, timeout)


def virEventRemoveHandle(watch: int) -> int:
    """Ends a watch."""
    if _function(2, "virEventRemoveHandle")(watch) == -1:
        fail_without_error("virEventRemoveHandle")
    return 0


def virEventRemoveTimeout(timer: int) -> int:
    """Ends a timer."""
    if _function(5, "virEventRemoveTimeout")(timer) == -1:
        fail_without_error("virEventRemoveTimeout")
    return 0


def virEventInvokeFreeCallback(opaque: Opaque) -> None:
    """For loops of an application: frees what a removed handle or timeout carried."""
    if opaque[2] is not None:
        opaque[2](opaque[1])


def _eventInvokeHandleCallback(
    watch: int, fd: int, event: int, opaque: Opaque, opaquecompat: Any = None
) -> None:
    opaque[0](watch, fd, event, opaque[1])


def _eventInvokeTimeoutCallback(timer: int, opaque: Opaque, opaquecompat: Any = None) -> None:
    opaque[0](timer, opaque[1])


def _dispatchEventHandleCallback(watch: int, fd: int, events: int, cbData: dict[str, Any]) -> int:
    cbData["cb"](watch, fd, events, cbData["opaque"])
    return 0


def _dispatchEventTimeoutCallback(timer: int, cbData: dict[str, Any]) -> int:
    cbData["cb"](timer, cbData["opaque"])
    return 0


def _function(place: int, name: str) -> Callable[..., Any]:
    if _Registered.functions is None:
        fail_without_error(name)
    return _Registered.functions[place]


def _deadline(timeout: int) -> float:
    return float("inf") if timeout < 0 else time.monotonic() + timeout / 1000


def _freed(row: tuple[Any, ...] | None) -> int:
    if row is None:
        return -1
    virEventInvokeFreeCallback(row[3])
    return 0


def _to_poll(events: int) -> int:
    mask = select.POLLIN if events & _READABLE else 0
    return mask | (select.POLLOUT if events & _WRITABLE else 0)


def _from_poll(mask: int) -> int:
    events = _READABLE if mask & (select.POLLIN | select.POLLPRI) else 0
    events |= _WRITABLE if mask & select.POLLOUT else 0
    events |= _ERROR if mask & (select.POLLERR | select.POLLNVAL) else 0
    return events | (_HANGUP if mask & select.POLLHUP else 0)
