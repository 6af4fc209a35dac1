# SPDX-License-Identifier: Apache-2.0
"""Byte streams as the application sees them."""

from __future__ import annotations

from typing import Self

from virloom.endpoint.stream import READ_SIZE, Hole, StreamEnd
from virloom.errors import OperationFailed


class Stream:
    """Bytes to and from the other side, until one of the two ends it.

    An async iterator over what arrives, and a context manager that ends it: in an orderly way, or
    by abort when the block is left by an exception.
    """

    def __init__(self, end: StreamEnd) -> None:
        self._end = end

    async def read(self, limit: int = READ_SIZE) -> bytes:
        """The next bytes, at most *limit*; empty at the end. Cancellation loses no data.

        Raises:
            OperationAborted: The stream was aborted, or taken over by somebody else.
        """
        return await self._end.read(limit)

    async def read_all(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """Everything up to the end of the stream.

        Raises:
            OperationFailed: There are more than *limit* bytes; the stream is aborted then.
        """
        parts: list[bytes] = []
        size = 0
        while data := await self._end.read():
            size += len(data)
            if size > limit:
                self._end.abort()
                raise OperationFailed(f"the stream has more than the {limit} bytes asked for")
            parts.append(data)
        return b"".join(parts)

    async def read_sparse(self, limit: int = READ_SIZE) -> bytes | Hole:
        """As :meth:`read`, but a hole of a sparse stream comes as what it is."""
        return await self._end.read_sparse(limit)

    async def write_hole(self, length: int) -> None:
        """Sends a hole of *length* bytes over a sparse stream.

        Raises:
            OperationInvalid: The stream was not opened as a sparse one.
        """
        await self._end.write_hole(length)

    async def write(self, data: bytes) -> None:
        """Sends all of *data*; waits while the other side does not take it.

        Raises:
            OperationAborted: The stream was aborted.
            SystemFailure: The other side is gone.
        """
        await self._end.write(data)

    async def close(self) -> None:
        """Ends the stream in an orderly way; idempotent."""
        await self._end.finish()

    async def abort(self) -> None:
        """Ends the stream at once; whoever waits in it gets OperationAborted; idempotent."""
        self._end.abort()

    def fileno(self) -> int | None:
        """A descriptor with the same bytes where there is one (in process), else None."""
        return self._end.descriptor()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._end.finish()
        else:
            self._end.abort()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self._end.read()
        if not data:
            raise StopAsyncIteration
        return data
