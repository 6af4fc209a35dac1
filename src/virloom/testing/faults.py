# SPDX-License-Identifier: Apache-2.0
"""Faults to order: what a served libvirt does wrong, at which call and how often."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from virloom.endpoint.dispatch import Call, Dispatcher
from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, error_from_code
from virloom.procedures import Procedure, Record, find
from virloom.procedures.numbers import PROCEDURES

_REMOTE = 0x20008086

F = TypeVar("F", bound="Fault")


class Fault:
    """One fault that was ordered.

    Attributes:
        function: The function of libvirt's API, or the name of the procedure, that it is for.
        times: At how many more calls it happens; None at all of them.
        met: How many calls have met it.
    """

    def __init__(self, function: str, times: int | None) -> None:
        self.function = function
        self.times = times
        self.met = 0
        self._reached = threading.Event()

    def await_met(self, seconds: float = 10.0) -> bool:
        """Returns once a call has met it; False where none has within *seconds*."""
        return self._reached.wait(seconds)

    def note(self) -> None:
        """A call meets it."""
        self.met += 1
        if self.times is not None:
            self.times -= 1
        self._reached.set()


class Failure(Fault):
    """The call is answered by an error."""

    def __init__(self, function: str, times: int | None, error: VirloomError) -> None:
        super().__init__(function, times)
        self.error = error


class Hang(Fault):
    """The call is not answered, until it is let go; then it is served."""

    def __init__(self, function: str, times: int | None) -> None:
        super().__init__(function, times)
        self._gates: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._released = False

    def release(self) -> None:
        """Lets the calls go that wait, and all that come."""
        self._released = True
        for loop, gate in self._gates:
            if not loop.is_closed():
                loop.call_soon_threadsafe(gate.set)

    async def wait(self) -> None:
        """Waits until the fault is released."""
        if not self._released:
            gate = asyncio.Event()
            self._gates.append((asyncio.get_running_loop(), gate))
            await gate.wait()


class Cut(Fault):
    """The connection that the call comes on is closed, without an answer."""


class Faults:
    """All faults that are ordered; safe to use from the test's thread while calls are served."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def fail(
        self,
        function: str,
        error: VirloomError | int,
        message: str = "ordered by the test",
        *,
        times: int | None = 1,
    ) -> Failure:
        """Calls of *function* fail.

        Args:
            function: ``virDomainCreate``, or the procedure, ``DOMAIN_CREATE``.
            error: The error, or libvirt's number of one.
            message: What it says, if only its number is given.
            times: How many calls; None for all from now on.

        Raises:
            ValueError: There is no such function.
        """
        if isinstance(error, int):
            error = error_from_code(error)(message, domain=ErrorDomain.TEST)
        return self._order(Failure(_checked(function), times, error))

    def hang(self, function: str, *, times: int | None = 1) -> Hang:
        """Calls of *function* are not answered before the fault is released.

        Raises:
            ValueError: There is no such function.
        """
        return self._order(Hang(_checked(function), times))

    def cut(self, function: str, *, times: int | None = 1) -> Cut:
        """Calls of *function* end their connection.

        Raises:
            ValueError: There is no such function.
        """
        return self._order(Cut(_checked(function), times))

    @contextmanager
    def clean(self) -> Iterator[Faults]:
        """What is ordered in the block is over at its end."""
        try:
            yield self
        finally:
            self.clear()

    def clear(self) -> None:
        """No fault is ordered any more; calls that hang are let go."""
        with self._lock:
            faults, self._faults = self._faults, []
        for fault in faults:
            if isinstance(fault, Hang):
                fault.release()

    def _order(self, fault: F) -> F:
        with self._lock:
            self._faults.append(fault)
        return fault

    def meet(self, procedure: Procedure[Any, Any]) -> Fault | None:
        """The fault that a call meets, if any: of several the one that was ordered first."""
        names = (procedure.name, procedure.api_name)
        with self._lock:
            for fault in self._faults:
                if fault.function in names and fault.times != 0:
                    fault.note()
                    return fault
        return None


def _checked(function: str) -> str:
    """The name, if there is such a function or procedure."""
    for number, (_, name) in PROCEDURES[_REMOTE].items():
        if name == function:
            return function
        procedure = find(_REMOTE, number) if function.startswith("vir") else None
        if procedure is not None and procedure.api_name == function:
            return function
    raise ValueError(f"'{function}' is no function that goes over the wire")


class FaultyDispatcher(Dispatcher):
    """A dispatcher that does what was ordered before it asks the driver's.

    Args:
        served: The driver's.
        faults: What is ordered.
        cut: Ends the connection of a session.
    """

    def __init__(self, served: Dispatcher, faults: Faults, cut: Callable[[Session], None]) -> None:
        super().__init__([])
        self._served = served
        self._faults = faults
        self._cut = cut

    def start(self, call: Call, args: Record) -> Record | Awaitable[Record]:
        fault = self._faults.meet(call.procedure)
        if isinstance(fault, Failure):
            call.handled(failed=True)
            raise fault.error
        if isinstance(fault, Hang):
            return self._late(fault, call, args)
        if isinstance(fault, Cut):
            self._cut(call.session)
        return self._served.start(call, args)

    async def _late(self, fault: Hang, call: Call, args: Record) -> Record:
        await fault.wait()
        outcome = self._served.start(call, args)
        return outcome if isinstance(outcome, Record) else await outcome
