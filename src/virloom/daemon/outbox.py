# SPDX-License-Identifier: Apache-2.0
"""What goes to a client: at once, or together with what else is answered in the same turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from virloom.transport.base import Transport, TransportClosed

#: Bytes that are held back at most; longer answers are no light ones, and wait for nobody.
_MOST_HELD = 1 << 17


class Outbox:
    """Sends in the order in which it is told to.

    Answers are held back until all clients that are ready in one turn have theirs: a client that
    is woken by the first of them then finds the others, rather than being woken by each.

    Args:
        transport: Where it sends.
        most_unsent: Bytes that the client may leave unread.
        cut: Told why the client is to be cut off.

    Attributes:
        holding: Whether what is sent is held back.
    """

    def __init__(self, transport: Transport, most_unsent: int, cut: Callable[[str], None]) -> None:
        self._transport = transport
        self._most_unsent = most_unsent
        self._cut = cut
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.holding = False

    def hold(self) -> None:
        """Holds back from now on, where other clients have their turn together with this one."""
        if not self.holding:
            self.holding = self._transport.hold(self.release)

    def gather(self) -> bool:
        """Holds back from now on; whether it is the caller who is to :meth:`release`."""
        if self.holding:
            return False
        self.holding = True
        return not self._transport.hold(self.release)

    def release(self) -> None:
        """Sends what was held, and holds nothing back any more; idempotent."""
        self.holding = False
        if self._held:
            self._flush()

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Sends *data*, which may be nothing, and then the descriptors, which stay the caller's.

        Raises:
            OSError: There can be no copy of a descriptor; nothing is sent.
        """
        if self.holding and not fds:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes > _MOST_HELD:
                self._flush()
            return
        if self._held:
            self._flush()  # descriptors follow their own message
        if data:
            self._put(data, fds)

    def _flush(self) -> None:
        held = self._held
        data = held[0] if len(held) == 1 else b"".join(held)
        held.clear()
        self._held_bytes = 0
        if data:
            self._put(data, ())

    def _put(self, data: bytes, fds: Sequence[int]) -> None:
        try:
            if self._transport.send(data, fds):
                return
        except TransportClosed:  # gone meanwhile: nobody misses it
            return
        if self._transport.deaf:
            self._transport.abort()  # nobody is there for any answer: what waits need not be done
        elif self._transport.unsent > self._most_unsent:
            self._cut(f"it leaves {self._transport.unsent} bytes unread")
