# SPDX-License-Identifier: Apache-2.0
"""The data of one stream, taken out of what comes for as long as nothing else does."""

from __future__ import annotations

import struct

from virloom.rpc.packet import HEADER_SIZE, MAX_LENGTH, Header

_WORD = struct.Struct(">I")
_FIELDS = struct.Struct(">IIiiIi")


class StreamRun:
    """Cuts bytes into the data of a stream, up to the first message that is none of its data.

    Args:
        header: What the stream's packets of data say.
        missing: Bytes of such a packet that has begun; 0 between messages.

    Attributes:
        header: As given.
        missing: As given, after what was taken.
        ended: Something else came; nothing more is taken.
        rest: What was not taken: another message, or the begin of a header.
    """

    def __init__(self, header: Header, missing: int = 0) -> None:
        self.header = header
        self.missing = missing
        self.ended = False
        self.rest = b""
        self._fields = _FIELDS.pack(*header)

    def take(self, came: memoryview) -> list[memoryview]:
        """The stream's data in *came*, which goes on where the last one ended."""
        data: list[memoryview] = []
        if self.rest:
            came = self._complete(came)
        while came and not self.ended:
            if self.missing:
                data.append(came[: self.missing])
                came = came[self.missing :]
                self.missing -= len(data[-1])
            elif len(came) < HEADER_SIZE:
                break
            elif self._begins(came[:HEADER_SIZE]):
                came = came[HEADER_SIZE:]
        self.rest += bytes(came)
        return data

    def _complete(self, came: memoryview) -> memoryview:
        """Ends the header that has begun, as far as it is there; what comes behind it."""
        lacking = HEADER_SIZE - len(self.rest)
        head = self.rest + bytes(came[:lacking])
        if len(head) == HEADER_SIZE and self._begins(memoryview(head)):
            head = b""
        self.rest = head
        return came[lacking:]

    def _begins(self, head: memoryview) -> bool:
        """Whether a packet of the stream begins; else this run has ended."""
        (length,) = _WORD.unpack_from(head)
        if head[4:] != self._fields or not HEADER_SIZE < length <= MAX_LENGTH:
            self.ended = True
            return False
        self.missing = length - HEADER_SIZE
        return True
