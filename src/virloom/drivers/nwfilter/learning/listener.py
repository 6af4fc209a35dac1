# SPDX-License-Identifier: Apache-2.0
"""Frames of a port as they pass it, on the event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from array import array
from collections.abc import Callable

from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.host.openings import new_socket

logger = logging.getLogger(__name__)

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_ETH_P_ALL = 3  # linux/if_ether.h
_OUTGOING = 4  # linux/if_packet.h
_LONGEST = 1600
_BUFFER = 64 << 10
#: So many frames in a second are read: a guest could keep the daemon busy otherwise.
_MOST = 200
_AT_ONCE = 16

#: Gets a frame, and whether it goes to the guest.
Receiver = Callable[[bytes, bool], None]


class Listener:
    """A packet socket of a link that is read while it is open.

    Args:
        link: The link's name.
        sieve: The BPF program that chooses its frames.
        receive: Called on the running loop for each of them.

    Raises:
        SystemFailure: There is no such link, or this process may not listen.
    """

    def __init__(self, link: str, sieve: bytes, receive: Receiver) -> None:
        self._link = link
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._window, self._count = self._loop.time(), 0
        try:
            self._socket = _open(link, sieve)
        except OSError as exc:
            raise system_failure(
                f"Unable to listen on '{link}'", exc, domain=ErrorDomain.NWFILTER
            ) from exc
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            if self._is_flooded() or self._socket.fileno() < 0:
                return
            try:
                frame, address = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            except OSError as exc:  # the link goes down, or away: a new one has a new listener
                logger.debug("link '%s': %s", self._link, exc)
                return
            self._receive(frame, address[2] == _OUTGOING)

    def _is_flooded(self) -> bool:
        """Counts a frame; once there are too many, nothing is read for the rest of the second."""
        now = self._loop.time()
        if now - self._window >= 1:
            self._window, self._count = now, 0
        self._count += 1
        if self._count <= _MOST:
            return False
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_at(self._window + 1, self._resume)
        return True

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        """Stops; a second call does nothing."""
        if self._pause is not None:
            self._pause.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()


def _open(link: str, sieve: bytes) -> socket.socket:
    """A packet socket which never has a frame that the sieve did not pass."""
    opened = new_socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK)
    try:
        program = array("B", sieve)
        # struct sock_fprog of linux/filter.h: the number of instructions, and where they are.
        where = struct.pack("HP", len(sieve) // 8, program.buffer_info()[0])
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        opened.bind((link, _ETH_P_ALL))
    except BaseException:
        opened.close()
        raise
    return opened
