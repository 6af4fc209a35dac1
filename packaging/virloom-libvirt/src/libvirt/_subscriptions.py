# SPDX-License-Identifier: Apache-2.0
"""Events from the connection's thread to the callbacks, which the registered event loop runs."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from libvirt import _event_loop
from libvirt._errors import fail
from virloom.errors import InternalError, InvalidArg

if TYPE_CHECKING:
    from libvirt._handle import Handle
    from virloom.procedures.record import Procedure, Record, Void

#: Takes an event's message, in the thread of the event loop.
Deliver = Callable[[Any], object]


class Bell:
    """A descriptor in the registered event loop, rung from any thread."""

    def __init__(self, answer: Callable[[], object]) -> None:
        self._answer = answer
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._watch = _event_loop.watch_fd(self._fd, 1, self._heard, None)
        self._open = True

    def ring(self) -> None:
        """Has the loop call the answer soon."""
        with self._lock:
            if self._open:
                os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        """Takes the descriptor out of the loop."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        _event_loop.virEventRemoveHandle(self._watch)
        os.close(self._fd)

    def _heard(self, watch: int, fd: int, events: int, opaque: Any) -> None:
        with self._lock:
            if not self._open:
                return
            try:
                os.eventfd_read(self._fd)
            except BlockingIOError:  # two loops turned at once; the other has it
                return
        self._answer()


class _Registration:
    """One registration with the driver, and the callbacks that share it."""

    def __init__(self, target: str, area: str, callback: int) -> None:
        self.target = target
        self.area = area
        self.callback = callback
        self.takers: dict[int, Deliver] = {}

    def give(self, number: int, message: Any) -> None:
        """Calls one callback, if it has not been taken back meanwhile."""
        deliver = self.takers.get(number)
        if deliver is not None:
            deliver(message)


class Subscriptions:
    """The callbacks of one connection, by the numbers that the application knows."""

    def __init__(self, handle: Handle) -> None:
        if not _event_loop.is_registered():
            fail(InternalError("could not initialize domain event timer"), "virEventAddTimeout")
        self._handle = handle
        self._lock = threading.Lock()
        self._numbers = 0
        self._by_number: dict[int, tuple[str, _Registration]] = {}
        self._by_target: dict[str, _Registration] = {}
        self._by_callback: dict[tuple[str, int], _Registration] = {}
        self._arrived: deque[Callable[[], object]] = deque()
        self._bell = Bell(self._deliver_all)
        handle.connection._link.endpoint.on_event = self._event

    @classmethod
    def of(cls, handle: Handle) -> Subscriptions:
        """Those of a connection; made when first asked for.

        Raises:
            libvirtError: No event loop is registered.
        """
        if handle.subscriptions is None:
            handle.subscriptions = cls(handle)
        return handle.subscriptions

    def add(self, family: str, procedure: Procedure[Any, Any], args: Any, deliver: Deliver) -> int:
        """Registers with the driver, unless that is done; the number for the application.

        Raises:
            VirloomError: The driver refuses.
        """
        target = f"{procedure.name} {args!r}"  # a driver takes each registration once
        with self._lock:  # events that overtake the answer wait for the number behind it
            shared = self._by_target.get(target)
            if shared is None:
                callback = self._handle.call(procedure, args).callback_id
                shared = _Registration(target, procedure.area, callback)
                self._by_target[target] = shared
                self._by_callback[procedure.area, callback] = shared
            number = self._numbers
            self._numbers += 1
            shared.takers[number] = deliver
            self._by_number[number] = (family, shared)
        return number

    def remove(self, family: str, number: int, procedure: Procedure[Any, Any]) -> None:
        """Forgets a callback; calls *procedure* when it was the last of its registration.

        Raises:
            InvalidArg: There is none of that number.
            VirloomError: The driver refuses.
        """
        with self._lock:
            known, shared = self._by_number.get(number, ("", None))
            if shared is None or known != family:
                raise InvalidArg(f"event callback id {number} not registered")
            del self._by_number[number]
            del shared.takers[number]
            if not shared.takers:
                del self._by_target[shared.target]
                del self._by_callback[shared.area, shared.callback]
                self._handle.call(procedure, procedure.args(callback_id=shared.callback))

    def later(self, work: Callable[[], object]) -> None:
        """Has the event loop run *work*, after what has come before."""
        self._arrived.append(work)
        self._bell.ring()

    def close(self) -> None:
        """No more callbacks."""
        self._bell.close()

    def _event(self, procedure: Procedure[Any, Void], message: Record) -> None:
        self.later(lambda: self._deliver(procedure.area, message))

    def _deliver(self, area: str, message: Any) -> None:
        with self._lock:
            shared = self._by_callback.get((area, message.callback_id))
        if shared is not None:
            for number in reversed(shared.takers):  # in front of the next event, first one first
                self._arrived.appendleft(partial(shared.give, number, message))

    def _deliver_all(self) -> None:
        while True:
            try:
                work = self._arrived.popleft()
            except IndexError:  # all done, perhaps by another thread that turns the loop
                return
            try:
                work()
            except Exception:  # an application's callback: as the binding does, print and go on
                traceback.print_exc(file=sys.stderr)
