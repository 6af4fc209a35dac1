# SPDX-License-Identifier: Apache-2.0
"""Events from the connection's thread to the callbacks, which the registered event loop runs."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
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


class Subscriptions:
    """The callbacks of one connection, by the numbers that the application knows."""

    def __init__(self, handle: Handle) -> None:
        if not _event_loop.is_registered():
            fail(InternalError("could not initialize domain event timer"), "virEventAddTimeout")
        self._handle = handle
        self._lock = threading.Lock()
        self._numbers = 0
        self._by_number: dict[int, tuple[str, int, int]] = {}
        self._by_callback: dict[tuple[int, int], tuple[int, Deliver]] = {}
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
        """Registers with the driver; returns the number for the application.

        Raises:
            VirloomError: The driver refuses.
        """
        with self._lock:  # events that overtake the answer wait for the number behind it
            callback = self._handle.call(procedure, args).callback_id
            number = self._numbers
            self._numbers += 1
            self._by_number[number] = (family, procedure.program, callback)
            self._by_callback[procedure.program, callback] = (number, deliver)
        return number

    def remove(self, family: str, number: int) -> int:
        """Forgets a callback; returns the driver's number for it.

        Raises:
            InvalidArg: There is none of that number.
        """
        with self._lock:
            row = self._by_number.get(number)
            if row is None or row[0] != family:
                raise InvalidArg(f"could not find event callback {number} for deletion")
            del self._by_number[number]
            del self._by_callback[row[1:]]
        return row[2]

    def later(self, work: Callable[[], object]) -> None:
        """Has the event loop run *work*, after what has come before."""
        self._arrived.append(work)
        self._bell.ring()

    def close(self) -> None:
        """No more callbacks."""
        self._bell.close()

    def _event(self, procedure: Procedure[Any, Void], message: Record) -> None:
        self.later(lambda: self._deliver(procedure.program, message))

    def _deliver(self, program: int, message: Any) -> None:
        with self._lock:
            row = self._by_callback.get((program, message.callback_id))
        if row is not None:
            row[1](message)

    def _deliver_all(self) -> None:
        for _ in range(len(self._arrived)):
            try:
                self._arrived.popleft()()
            except Exception:  # an application's callback: as the binding does, print and go on
                traceback.print_exc(file=sys.stderr)
