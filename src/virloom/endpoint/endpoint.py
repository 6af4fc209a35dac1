# SPDX-License-Identifier: Apache-2.0
"""The one thing that a client talks to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from virloom.endpoint.stream import StreamEnd
from virloom.errors import VirloomError
from virloom.procedures.record import Procedure, Record, Void

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)


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
    async def open_stream(self, procedure: Procedure[A, R], args: A) -> tuple[R, StreamEnd]:
        """Calls a procedure that carries a stream, and returns its result and the stream."""

    @abstractmethod
    async def close(self) -> None:
        """Ends the connection: callbacks, streams and AUTODESTROY guests end with it."""
