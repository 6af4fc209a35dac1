# SPDX-License-Identifier: Apache-2.0
"""What a connection hands to its owner for the bytes that came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from virloom.enums.error import ErrorDomain
from virloom.errors import Rpc, VirloomError
from virloom.rpc.packet import Header, close_fds
from virloom.rpc.xdr import XdrError, codec_for

if TYPE_CHECKING:  # the records are above this layer; here they are only passed on
    from virloom.procedures.record import Procedure


class Incoming:
    """Something that came over a connection."""

    __slots__ = ()

    def discard(self) -> None:
        """Closes the descriptors that came with it, where nobody wants it."""


class Reply(Incoming):
    """The answer to the call with this serial: its record or its error. Its owner owns ``fds``."""

    __slots__ = ("fds", "result", "serial")

    def __init__(self, serial: int, result: Any | VirloomError, fds: Sequence[int] = ()) -> None:
        self.serial = serial
        self.result = result
        self.fds = fds

    def discard(self) -> None:
        close_fds(self.fds)


class EventMessage(Incoming):
    """An event of the server."""

    __slots__ = ("procedure", "record")

    def __init__(self, procedure: Procedure[Any, Any], record: Any) -> None:
        self.procedure = procedure
        self.record = record


class Call(Incoming):
    """A call of a client. Its owner owns ``fds``.

    ``problem`` is the error to answer with, where the call names nothing that exists or is not
    well formed; ``procedure`` may then be None. A server that asks for authentication answers
    that first. Until it is answered, a call is to be kept: the answer needs its header.
    """

    __slots__ = ("fds", "header", "payload", "problem", "procedure")

    def __init__(
        self,
        header: Header,
        procedure: Procedure[Any, Any] | None,
        payload: bytes,
        fds: Sequence[int] = (),
        problem: VirloomError | None = None,
    ) -> None:
        self.header = header
        self.procedure = procedure
        self.payload = payload
        self.fds = fds
        self.problem = problem

    @property
    def serial(self) -> int:
        return self.header.serial

    def take_fds(self) -> Sequence[int]:
        """Its descriptors, the caller's from now on."""
        fds, self.fds = self.fds, ()
        return fds

    def arguments(self) -> Any:
        """The arguments' record.

        Raises:
            VirloomError: ``problem``, or RPC for bytes that are no such record (libvirtd's words).
        """
        if self.problem is not None:
            raise self.problem
        assert self.procedure is not None
        try:
            return codec_for(self.procedure.args).decode(self.payload)
        except XdrError as exc:
            raise Rpc("Unable to decode message payload", domain=ErrorDomain.RPC) from exc

    def discard(self) -> None:
        close_fds(self.fds)


class StreamData(Incoming):
    """Bytes of a stream; none of them: the server has no more to send."""

    __slots__ = ("data", "serial")

    def __init__(self, serial: int, data: bytes) -> None:
        self.serial = serial
        self.data = data


class StreamPiece(Incoming):
    """To a server: some bytes of a stream, before the packet that they are of is all there."""

    __slots__ = ("data", "serial")

    def __init__(self, serial: int, data: memoryview) -> None:
        self.serial = serial
        self.data = data


class StreamHole(Incoming):
    """A hole in a sparse stream, ``length`` bytes long; a peer may say any number."""

    __slots__ = ("flags", "length", "serial")

    def __init__(self, serial: int, length: int, flags: int) -> None:
        self.serial = serial
        self.length = length
        self.flags = flags


class StreamFinished(Incoming):
    """To a server: the client is done, and awaits the same. To a client: that confirmation."""

    __slots__ = ("serial",)

    def __init__(self, serial: int) -> None:
        self.serial = serial


class StreamAborted(Incoming):
    """To a server (``error`` is None): the client gives up, and awaits a finish as confirmation.

    To a client: the stream failed, with the server's error.
    """

    __slots__ = ("error", "serial")

    def __init__(self, serial: int, error: VirloomError | None) -> None:
        self.serial = serial
        self.error = error


class Passed(Incoming):
    """A packet for a stream of a call that was passed on to another server."""

    __slots__ = ("header", "payload")

    def __init__(self, header: Header, payload: bytes) -> None:
        self.header = header
        self.payload = payload


class Ignored(Incoming):
    """A message that is not for us, or makes no sense; worth a line in a log, no more."""

    __slots__ = ("header", "reason")

    def __init__(self, header: Header, reason: str) -> None:
        self.header = header
        self.reason = reason
