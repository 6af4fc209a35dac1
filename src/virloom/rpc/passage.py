# SPDX-License-Identifier: Apache-2.0
"""Messages that are passed on as they came: whole, in order, unread beyond the header, uncopied.

What has to be looked at (descriptors are announced, the message is for us, it is none) is given
back, from there on, for a :class:`~virloom.rpc.packet.Framer`. A message goes on only when all of
it is there: whoever sends it may end in its midst, and others speak to the same receiver.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from virloom.rpc.packet import HEADER_SIZE, MAX_LENGTH, Header, Part, add_part

#: Takes bytes to where they go.
Send = Callable[[bytes], None]

_WORD = struct.Struct(">I")
_FIELDS = struct.Struct(">IIiiIi")  # the header without its length


class Passage:
    """One direction of a relay.

    Args:
        way: Where a message goes, by its header; None: somebody has to look at it. Told before
            all of it is there, and maybe again.
        whole: Told of each message that goes on, just before it does.
        max_length: The longest message to pass on.

    Attributes:
        kept: The parts of a message that is not all there.
    """

    def __init__(
        self,
        way: Callable[[Header], Send | None],
        whole: Callable[[Header], None],
        max_length: int = MAX_LENGTH,
    ) -> None:
        self._way = way
        self._whole = whole
        self._max_length = max_length
        self.kept: list[Part] = []
        self._missing = 0
        self._header: Header | None = None  # of that message; None: not even that is there

    def take_back(self) -> bytes:
        """The part of a message that is kept here, for who wants to look at it after all."""
        data = b"".join(self.kept)
        self._forget()
        return data

    def _forget(self) -> None:
        self.kept = []
        self._missing = 0
        self._header = None

    def feed(self, data: bytes) -> bytes:
        """Passes on what *data* completes; what somebody has to look at comes back."""
        if self.kept:
            if self._header is None:
                data = self.take_back() + data
            elif len(data) < self._missing:
                add_part(self.kept, data)
                self._missing -= len(data)
                return b""
            else:
                data = self._end_begun(data, self._header)
        return self._run(data) if data else data

    def _end_begun(self, data: bytes, header: Header) -> bytes:
        """Passes on the message that *data* completes; what follows it comes back."""
        missing = self._missing
        send = self._way(header)
        if send is None:  # its receiver has gone meanwhile
            return self.take_back() + data
        parts = [*self.kept, data[:missing]]
        self._forget()
        self._whole(header)
        for part in parts:
            send(bytes(part))  # as it is, but for what was kept together
        return data[missing:]

    def _run(self, data: bytes) -> bytes:
        """Passes on messages from the begin of *data*, those to the same receiver at once."""
        begin, at, end = 0, 0, len(data)
        sender: Send | None = None
        while end - at >= HEADER_SIZE:
            (length,) = _WORD.unpack_from(data, at)
            header = Header._make(_FIELDS.unpack_from(data, at + 4))
            send = self._way(header)
            if send is None or not self._sane(length):
                break
            if at + length > end:
                self._header, self._missing = header, at + length - end
                break
            if send is not sender:
                if sender is not None:
                    sender(data[begin:at])
                begin, sender = at, send
            self._whole(header)
            at += length
        if sender is not None:
            sender(data if at == end and not begin else data[begin:at])
        return self._kept(data[at:]) if at < end else b""

    def _kept(self, rest: bytes) -> bytes:
        """Keeps the begin of a message for later; anything else comes back."""
        if self._header is None:
            if len(rest) >= HEADER_SIZE:
                return rest
            if len(rest) >= 4 and not self._sane(*_WORD.unpack_from(rest)):
                return rest
        self.kept.append(rest)
        return b""

    def _sane(self, length: int) -> bool:
        return HEADER_SIZE <= length <= self._max_length
