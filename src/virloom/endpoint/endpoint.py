# SPDX-License-Identifier: Apache-2.0
"""The one thing that a client talks to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from virloom.endpoint.stream import StreamEnd
from virloom.errors import VirloomError, system_failure
from virloom.host.fdpass import OwnedFds
from virloom.procedures.record import Procedure, Record, Void

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)


def copies_to_send(fds: Sequence[int]) -> OwnedFds:
    """Copies of the descriptors that go with a call, which its caller may close meanwhile.

    Raises:
        SystemFailure: One of *fds* is not open.
    """
    try:
        return OwnedFds.copies(fds)
    except OSError as exc:
        raise system_failure("cannot pass the file descriptors", exc) from exc


class Endpoint(ABC):
    """A place where procedures are called, and from which events come.

    ``on_event`` gets each event in order; ``on_close`` runs once, with the reason, or None when
    the endpoint was closed from this side. Both are called on the event loop of the opener.
    """

    on_event: Callable[[Procedure[Any, Void], Record], None] | None = None
    on_close: Callable[[VirloomError | None], None] | None = None

    @abstractmethod
    async def call(self, procedure: Procedure[A, R], args: A) -> R:
        """Calls *procedure*. Cancelling the caller never stops what a driver has begun.

        Raises:
            VirloomError: What the other side answered.
        """

    @abstractmethod
    async def call_with_fds(
        self, procedure: Procedure[A, R], args: A, fds: Sequence[int] = ()
    ) -> tuple[R, OwnedFds]:
        """As :meth:`call`, with descriptors in both directions.

        Copies of *fds* go with the call; ours stay open. The caller owns those that come with the
        result; they are close-on-exec.

        Raises:
            InternalError: Some would have to travel, and this connection carries none (libvirt's
                code).
            SystemFailure: One of *fds* is not open.
        """

    @abstractmethod
    async def open_stream(self, procedure: Procedure[A, R], args: A) -> tuple[R, StreamEnd]:
        """Calls a procedure that carries a stream, and returns its result and the stream."""

    @abstractmethod
    async def close(self) -> None:
        """Ends the connection: callbacks, streams and AUTODESTROY guests end with it."""
