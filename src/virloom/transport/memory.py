# SPDX-License-Identifier: Apache-2.0
"""Two connected ends in one process: no socket, the same behaviour."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from virloom.host.fdpass import OwnedFds
from virloom.rpc.packet import close_fds
from virloom.transport.base import (
    OnClosed,
    OnData,
    OnPressure,
    PeerIdentity,
    Transport,
    TransportClosed,
)

_NOBODY = PeerIdentity()


class MemoryTransport(Transport):
    """One end of :func:`memory_pair`."""

    def __init__(self, peer: PeerIdentity, *, passes_fds: bool = True) -> None:
        self._loop = asyncio.get_running_loop()
        self._peer = peer
        self._passes_fds = passes_fds
        self._other: MemoryTransport | None = None
        self._inbox: deque[tuple[bytes, Sequence[int]]] = deque()  # sent to us, not handed out yet
        self._waiting = 0
        self._on_data: OnData | None = None
        self._on_closed: OnClosed | None = None
        self._on_pressure: OnPressure | None = None
        self._paused = False
        self._pressed = False
        self._scheduled = False
        self._ended = False  # the other end sends no more
        self._closed = False
        self._reason: Exception | None = None

    def start(
        self, on_data: OnData, on_closed: OnClosed, on_pressure: OnPressure | None = None
    ) -> None:
        self._on_data, self._on_closed, self._on_pressure = on_data, on_closed, on_pressure
        self._schedule()

    def send(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        other = self._other
        if self._closed or other is None:
            raise TransportClosed("the connection is closed")
        if fds and not self._passes_fds:
            raise ValueError("this connection carries no descriptors")
        if other._closed:
            return False  # as into a socket whose peer closes: we are about to be told
        with OwnedFds.copies(fds) as copies:
            other._deliver(data, ())
            for fd in copies.release():
                other._deliver(b"\0", [fd])
        if not self._pressed and other._waiting > self.high_water:
            self._pressed = True
            if self._on_pressure is not None:
                self._on_pressure(True)
        return False

    def _deliver(self, data: bytes, fds: Sequence[int]) -> None:
        self._inbox.append((data, fds))
        self._waiting += len(data)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._on_data is not None:
            self._scheduled = True
            self._loop.call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._scheduled = False
        while self._inbox and not self._paused and not self._closed:
            data, fds = self._inbox.popleft()
            self._waiting -= len(data)
            assert self._on_data is not None
            try:
                self._on_data(data, fds)
            except Exception as exc:  # the owner cannot go on: as the contract says
                self.abort(exc)
        if self._other is not None:
            self._other._relieve(self._waiting)
        if self._ended and not self._inbox and not self._closed:
            self.abort()
        if self._closed:
            self._tell()

    def _relieve(self, waiting: int) -> None:
        if self._pressed and waiting <= self.high_water // 4:
            self._pressed = False
            if self._on_pressure is not None:
                self._on_pressure(False)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._schedule()

    @property
    def unsent(self) -> int:
        return self._other._waiting if self._other is not None else 0

    @property
    def carries_fds(self) -> bool:
        return self._passes_fds

    @property
    def peer(self) -> PeerIdentity:
        return self._peer

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self.abort()

    def abort(self, error: Exception | None = None) -> None:
        if self._closed:
            return
        self._closed = True
        self._reason = error
        for _, fds in self._inbox:
            close_fds(fds)
        self._inbox.clear()
        self._waiting = 0
        self._schedule()
        if self._other is not None:
            self._other._ended = True
            self._other._schedule()

    def _tell(self) -> None:
        told, self._on_closed = self._on_closed, None
        if told is not None:
            told(self._reason)


def memory_pair(
    first_sees: PeerIdentity = _NOBODY,
    second_sees: PeerIdentity = _NOBODY,
    *,
    passes_fds: bool = True,
) -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends; give for each whom it shall see as its peer, and whether it is like TCP."""
    first = MemoryTransport(first_sees, passes_fds=passes_fds)
    second = MemoryTransport(second_sees, passes_fds=passes_fds)
    first._other, second._other = second, first
    return first, second
