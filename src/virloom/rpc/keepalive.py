# SPDX-License-Identifier: Apache-2.0
"""Pings on a quiet connection: bookkeeping only, with a clock that somebody else reads."""

from __future__ import annotations

from virloom.rpc.packet import Header, MessageStatus, MessageType, pack

#: The program of keepalive messages (``keep`` in ASCII), its version, and its procedures.
PROGRAM = 0x6B656570
VERSION = 1
PING_NUMBER = 1
PONG_NUMBER = 2


def _message(procedure: int) -> bytes:
    return pack(Header(PROGRAM, VERSION, procedure, MessageType.EVENT, 0, MessageStatus.OK))


PING = _message(PING_NUMBER)
PONG = _message(PONG_NUMBER)


class KeepAlive:
    """Says when to ping, and when the peer is to be taken for dead.

    Any message from the peer is a sign of life. After *interval* seconds without one comes a
    ping, and another after each further interval; when *count* pings had no answer for an
    interval, the peer is dead. Times are of any monotonic clock, in seconds.

    Args:
        interval: Seconds; libvirtd's default is 5.
        count: Pings without an answer; libvirtd's default is 5. With 0 a quiet interval is death.
        now: The time.
    """

    __slots__ = ("_at", "_left", "count", "interval")

    def __init__(self, interval: float, count: int, now: float) -> None:
        self.interval = interval
        self.count = count
        self._at = now
        self._left = count

    def seen(self, now: float) -> None:
        """The peer sent something."""
        self._at = now
        self._left = self.count

    def deadline(self) -> float:
        """When :meth:`due` is worth the next call."""
        return self._at + self.interval

    def due(self, now: float) -> bytes:
        """What to send now: a ping, or nothing.

        Raises:
            TimeoutError: The peer is dead; close the connection.
        """
        if now < self.deadline():
            return b""
        if not self._left:
            raise TimeoutError(
                f"no sign of life for {self.interval * (self.count + 1):g} seconds, "
                f"{self.count} pings are unanswered"
            )
        self._left -= 1
        self._at = now
        return PING
