# SPDX-License-Identifier: Apache-2.0
"""Hears which tables of nftables lose something: somebody may flush the rules of networks.

The kernel tells every change to a multicast group (linux/netfilter/nfnetlink.h): a netlink header,
four bytes of netfilter's, and attributes, of which the first kind is always the table's name.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator

#: ``NETLINK_NETFILTER``, ``SOL_NETLINK``, ``NETLINK_ADD_MEMBERSHIP``, ``NFNLGRP_NFTABLES``.
_PROTOCOL, _LEVEL, _JOIN, _GROUP = 12, 270, 1, 7
#: ``NFNL_SUBSYS_NFTABLES`` with ``NFT_MSG_DELTABLE``, ``_DELCHAIN`` and ``_DELRULE``.
_LOSSES = frozenset((10 << 8) | kind for kind in (2, 5, 8))
#: A netlink header and netfilter's own.
_HEADER = struct.Struct("=IHHII4x")
_ATTRIBUTE = struct.Struct("=HH")
_NAME = 1
#: Seconds until what is lost is told: a flush is many messages.
_PATIENCE = 0.2


class TableWatch:
    """Tells which tables lost something, on the running loop.

    Args:
        lost: Called with the names of the tables; with None when messages were lost.
    """

    def __init__(self, lost: Callable[[set[str] | None], None]) -> None:
        self._lost = lost
        self._names: set[str] = set()
        self._overrun = False
        self._later: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _PROTOCOL
        )
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(_LEVEL, _JOIN, _GROUP)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Hears no more."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        if self._later is not None:
            self._later.cancel()

    def _read(self) -> None:
        while True:
            try:
                self._names.update(lost_tables(self._socket.recv(1 << 16)))
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: the kernel had more to tell than the socket takes
                self._overrun = True
        if (self._names or self._overrun) and self._later is None:
            self._later = self._loop.call_later(_PATIENCE, self._tell)

    def _tell(self) -> None:
        names, overrun = self._names, self._overrun
        self._names, self._overrun, self._later = set(), False, None
        self._lost(None if overrun else names)


def lost_tables(data: bytes) -> Iterator[str]:
    """The tables of which something was removed, by messages as they are received."""
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if kind in _LOSSES:
            name = _name(data[_HEADER.size : length])
            if name is not None:
                yield name
        data = data[max(_HEADER.size, -(-length // 4) * 4) :]


def _name(attributes: bytes) -> str | None:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _NAME:
            return attributes[_ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        attributes = attributes[max(_ATTRIBUTE.size, -(-length // 4) * 4) :]
    return None
