# SPDX-License-Identifier: Apache-2.0
"""From a procedure to the handler that serves it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from virloom.endpoint.identity import CALLER
from virloom.endpoint.readonly import error_domain
from virloom.endpoint.session import Session
from virloom.endpoint.stream import StreamEnd
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoSupport, Rpc, VirloomError
from virloom.host.fdpass import OwnedFds
from virloom.procedures.record import VOID, Area, Procedure, Record

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
H = TypeVar("H")

#: (call, arguments) → result, or something to await for it. A handler of a procedure without a
#: result returns None.
Handler = Callable[["Call", Any], Any]


class Call:
    """What a handler receives beside the arguments.

    Descriptors that came with the call are closed when its handler ends, except for those that it
    took; those that it gives go to the caller with the result, and are closed where there is none.
    """

    __slots__ = (
        "_abandoned", "_given", "_received", "gives", "procedure", "session", "sparse", "stream",
    )  # fmt: skip

    def __init__(
        self, session: Session, procedure: Procedure[Any, Any], fds: Sequence[int] = ()
    ) -> None:
        self.session = session
        self.procedure = procedure
        self.stream: StreamEnd | None = None
        self.sparse = False  # whether the caller asked for a stream with holes
        self._received = OwnedFds(fds) if fds else None
        self._given: OwnedFds | None = None
        self._abandoned = False
        self.gives = False  # whether :meth:`given_fds` has any

    def attach_stream(self, end: StreamEnd) -> None:
        """Gives the caller *end* as the stream of this call; a procedure may carry one only."""
        if self._abandoned:
            end.abort()
            return
        if self.procedure.stream == "none" or self.stream is not None:
            end.abort()
            raise InternalError(f"{self.procedure.name} cannot carry this stream")
        self.stream = end

    def take_fds(self) -> list[int]:
        """The descriptors that came with the call, the handler's own from now on."""
        return self._received.release() if self._received is not None else []

    def give_fd(self, fd: int) -> None:
        """Gives *fd* away, to the caller with the result of this call."""
        given = OwnedFds([fd])
        if not self._abandoned:
            held = self._given.release() if self._given is not None else []
            self._given = OwnedFds([*held, *given.release()])
            self.gives = True

    def given_fds(self) -> OwnedFds:
        """What the handler gave, if anything, for whoever sends the result; asked once."""
        given, self._given = self._given, None
        self.gives = False
        return OwnedFds() if given is None else given

    def handled(self, *, failed: bool) -> None:
        """The handler has ended: closes what it did not take, and what nobody will get."""
        if self._received is not None:
            self._received.close()
        if failed:
            self.abandon()

    def abandon(self) -> None:
        """Nobody waits for the result any more: what the handler gave or gives is closed."""
        self._abandoned = True
        if self._given is not None:
            self._given.close()
        if self.stream is not None:
            self.stream.abort()
            self.stream = None


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
    for name in dir(type(group)):
        procedure = getattr(getattr(group, name), "serves_procedure", None)
        if procedure is not None:
            found[procedure.program, procedure.number] = getattr(group, name)
    return found


class Dispatcher:
    """The handlers of one or several drivers, by program and number.

    Args:
        groups: The groups of handlers that are there.
        later: Groups that are made one after the other, until what is asked for has a handler.
        elsewhere: Opens the driver of an area that nobody has asked for yet.
    """

    def __init__(
        self,
        groups: Iterable[object],
        later: Iterable[object] = (),
        elsewhere: Mapping[Area, Callable[[], Awaitable[Dispatcher]]] | None = None,
    ) -> None:
        self._handlers: dict[tuple[int, int], Handler] = {}
        self._later = iter(later)
        self._elsewhere = elsewhere or {}
        for group in groups:
            self._add(group)

    def _add(self, group: object) -> None:
        for key, handler in _handlers_of(group).items():
            if key in self._handlers:
                raise ValueError(f"two handlers for {handler.__qualname__}")
            self._handlers[key] = handler

    def grow(self) -> bool:
        """Makes the next group; False when there is none."""
        for group in self._later:
            self._add(group)
            return True
        return False

    def served(self) -> frozenset[tuple[int, int]]:
        """The (program, number) pairs that have a handler."""
        while self.grow():
            pass
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
        if procedure.sparse_flag:
            call.sparse = procedure.asks_for_holes(args)
        key = (procedure.program, procedure.number)
        handler = self._handlers.get(key)
        while handler is None and self.grow():
            handler = self._handlers.get(key)
        if handler is None and procedure.area in self._elsewhere:
            return _passed_on(self._elsewhere[procedure.area], call, args)
        if handler is None:
            call.handled(failed=True)
            raise NoSupport(procedure.name, domain=error_domain(procedure))
        CALLER.set(call.session.identity)
        try:
            result = handler(call, args)
        except (VirloomError, MemoryError):
            call.handled(failed=True)
            raise
        except Exception as exc:
            call.handled(failed=True)
            raise _unexpected(procedure, args, exc) from exc
        if result is not None and not isinstance(result, Record):
            return _finish(call, args, result)
        if call._received is not None:
            call.handled(failed=False)
        return VOID if result is None else result


async def _passed_on(
    opening: Callable[[], Awaitable[Dispatcher]], call: Call, args: Record
) -> Record:
    try:
        dispatcher = await opening()
    except VirloomError:
        call.handled(failed=True)
        raise
    outcome = dispatcher.start(call, args)
    return outcome if isinstance(outcome, Record) else await outcome


async def _finish(call: Call, args: Record, result: Awaitable[Any]) -> Record:
    failed = True
    try:
        value = await result
        failed = False
    except (VirloomError, MemoryError):
        raise
    except Exception as exc:
        raise _unexpected(call.procedure, args, exc) from exc
    finally:
        call.handled(failed=failed)
    return VOID if value is None else value


def _unexpected(procedure: Procedure[Any, Any], args: Record, exc: Exception) -> VirloomError:
    """What the caller is told of an exception that no handler should let out."""
    # Within a process nobody has looked at the arguments yet, as sending them would have done.

    from virloom.rpc.xdr import XdrError, codec_for

    try:
        codec_for(procedure.args).encode(args)
    except XdrError as wrong:
        doing = f"{procedure.name}: the arguments cannot be sent: {wrong}"
        return Rpc(doing, domain=ErrorDomain.RPC)
    logger.exception("the handler of %s failed", procedure.name)
    return InternalError(f"{procedure.name}: {type(exc).__name__}: {exc}")
