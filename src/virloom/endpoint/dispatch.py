# SPDX-License-Identifier: Apache-2.0
"""From a procedure to the handler that serves it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from virloom.endpoint.session import Session
from virloom.endpoint.stream import StreamEnd
from virloom.errors import InternalError, NoSupport, VirloomError
from virloom.procedures.record import VOID, Procedure, Record

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
H = TypeVar("H")

#: (call, arguments) → result, or something to await for it. A handler of a procedure without a
#: result returns None.
Handler = Callable[["Call", Any], Any]


class Call:
    """What a handler receives beside the arguments."""

    __slots__ = ("procedure", "session", "stream")

    def __init__(self, session: Session, procedure: Procedure[Any, Any]) -> None:
        self.session = session
        self.procedure = procedure
        self.stream: StreamEnd | None = None

    def attach_stream(self, end: StreamEnd) -> None:
        """Gives the caller *end* as the stream of this call; a procedure may carry one only."""
        if self.procedure.stream == "none" or self.stream is not None:
            end.abort()
            raise InternalError(f"{self.procedure.name} cannot carry this stream")
        self.stream = end


def serves(
    procedure: Procedure[A, R],
) -> Callable[[Callable[[H, Call, A], Any]], Callable[[H, Call, A], Any]]:
    """Marks a method as the handler of *procedure*.

    A plain ``def`` answers at once and must not wait; an ``async def`` may.
    """

    def mark(method: Callable[[H, Call, A], Any]) -> Callable[[H, Call, A], Any]:
        method.__dict__["serves_procedure"] = procedure
        return method

    return mark


def _handlers_of(group: object) -> dict[tuple[int, int], Handler]:
    found: dict[tuple[int, int], Handler] = {}
    for name, function in inspect.getmembers_static(type(group), inspect.isfunction):
        procedure = getattr(function, "serves_procedure", None)
        if procedure is not None:
            found[procedure.program, procedure.number] = getattr(group, name)
    return found


class Dispatcher:
    """The handlers of one or several drivers, by program and number."""

    def __init__(self, groups: Iterable[object]) -> None:
        self._handlers: dict[tuple[int, int], Handler] = {}
        for group in groups:
            for key, handler in _handlers_of(group).items():
                if key in self._handlers:
                    raise ValueError(f"two handlers for {handler.__qualname__}")
                self._handlers[key] = handler

    def served(self) -> frozenset[tuple[int, int]]:
        """The (program, number) pairs that have a handler."""
        return frozenset(self._handlers)

    def start(self, call: Call, args: Record) -> Record | Awaitable[Record]:
        """Runs the handler up to its first wait.

        Returns the result at once where the handler is plain, else an awaitable for it.

        Raises:
            NoSupport: Nobody serves the procedure.
            VirloomError: What the handler raised; anything else becomes InternalError.
            MemoryError: For the owner of the process: nobody limps on without memory.
        """
        procedure = call.procedure
        handler = self._handlers.get((procedure.program, procedure.number))
        if handler is None:
            raise NoSupport(procedure.name)
        try:
            result = handler(call, args)
        except (VirloomError, MemoryError):
            raise
        except Exception as exc:
            raise _unexpected(procedure, exc) from exc
        if inspect.isawaitable(result):
            return _finish(procedure, result)
        return VOID if result is None else result


async def _finish(procedure: Procedure[Any, Any], result: Awaitable[Any]) -> Record:
    try:
        value = await result
    except (VirloomError, MemoryError):
        raise
    except Exception as exc:
        raise _unexpected(procedure, exc) from exc
    return VOID if value is None else value


def _unexpected(procedure: Procedure[Any, Any], exc: Exception) -> InternalError:
    logger.exception("the handler of %s failed", procedure.name)
    return InternalError(f"{procedure.name}: {type(exc).__name__}: {exc}")
