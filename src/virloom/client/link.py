# SPDX-License-Identifier: Apache-2.0
"""What all objects of one connection share: the endpoint, and whether it is still open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.stream import StreamEnd
from virloom.enums.params import TypedParameterFlags
from virloom.errors import InvalidConn, VirloomError
from virloom.host.fdpass import OwnedFds
from virloom.procedures.record import Procedure, Record

if TYPE_CHECKING:
    from virloom.xml import Element

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)


#: Getters whose parameters may be texts, which the other side leaves out unless it is asked.
_WITH_TEXTS = frozenset(
    (
        "DOMAIN_BLOCK_STATS_FLAGS", "DOMAIN_GET_BLKIO_PARAMETERS", "DOMAIN_GET_BLOCK_IO_TUNE",
        "DOMAIN_GET_CPU_STATS", "DOMAIN_GET_INTERFACE_PARAMETERS", "DOMAIN_GET_MEMORY_PARAMETERS",
        "DOMAIN_GET_NUMA_PARAMETERS", "NODE_GET_MEMORY_PARAMETERS",
    )
)  # fmt: skip


class Link:
    """Makes calls while the connection is open."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.closed = False
        self.reason: VirloomError | None = None

    async def call(self, procedure: Procedure[A, R], args: A) -> R:
        """Calls *procedure*; a caller that is cancelled stops waiting, the driver goes on.

        Raises:
            InvalidConn: The connection is closed.
            VirloomError: What the driver answered.
        """
        return await self.endpoint.call(procedure, self.prepared(procedure, args))

    def prepared(self, procedure: Procedure[A, R], args: A) -> A:
        """The arguments as the other side is to get them, for a call that is made next.

        Raises:
            InvalidConn: The connection is closed.
        """
        self._check(procedure)
        if procedure.name in _WITH_TEXTS:
            args.flags |= TypedParameterFlags.OKAY  # type: ignore[attr-defined]
        return args

    async def call_with_fds(
        self, procedure: Procedure[A, R], args: A, fds: Sequence[int] = ()
    ) -> tuple[R, OwnedFds]:
        """As :meth:`call`, with copies of *fds*; the caller owns those that come back."""
        self._check(procedure)
        return await self.endpoint.call_with_fds(procedure, args, fds)

    async def open_stream(self, procedure: Procedure[A, R], args: A) -> tuple[R, StreamEnd]:
        """The same for a procedure with a stream."""
        self._check(procedure)
        return await self.endpoint.open_stream(procedure, args)

    def _check(self, procedure: Procedure[Any, Any]) -> None:
        if self.closed:
            why = f" ({self.reason.message})" if self.reason else ""
            raise InvalidConn(f"{procedure.name}: the connection is closed{why}")


def text_of(document: str | Element) -> str:
    """The text of a document that is given as text or as a model object (passwords included).

    Raises:
        TypeError: It is neither.
    """
    if isinstance(document, str):
        return document
    from virloom.xml import Element, FormatFlags, format_document

    if not isinstance(document, Element):
        raise TypeError(f"a document is a str or a model object, not {type(document).__name__}")
    return format_document(document, FormatFlags.SECURE)
