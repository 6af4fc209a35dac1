# SPDX-License-Identifier: Apache-2.0
"""Hears what the kernel says that somebody took away: rules of nftables, and links.

It tells every change to a multicast group: a netlink header, a header of the subsystem's own, and
attributes. Formats: linux/netlink.h, linux/netfilter/nfnetlink.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from virloom.host import openings

#: ``SOL_NETLINK`` and ``NETLINK_ADD_MEMBERSHIP``.
_LEVEL, _JOIN = 270, 1
#: Length, type, flags, sequence and port of a message.
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
#: Seconds until what is lost is told: a flush is many messages.
_PATIENCE = 0.2


class Group(NamedTuple):
    """What is heard of.

    Attributes:
        protocol: Of netlink.
        number: Of the multicast group.
        lost: What messages, as they are received, say has gone.
    """

    protocol: int
    number: int
    lost: Callable[[bytes], Iterator[str | int]]


class Announcements:
    """Tells what is lost, on the running loop.

    Args:
        group: What is heard of.
        lost: Called with what has gone; with None when messages were lost.
    """

    def __init__(self, group: Group, lost: Callable[[set[str | int] | None], None]) -> None:
        self._group = group
        self._lost = lost
        self._found: set[str | int] = set()
        self._overrun = False
        self._later: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = openings.new_socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, group.protocol
        )
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(_LEVEL, _JOIN, group.number)
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
                self._found.update(self._group.lost(self._socket.recv(1 << 16)))
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: the kernel had more to tell than the socket takes
                self._overrun = True
        if (self._found or self._overrun) and self._later is None:
            self._later = self._loop.call_later(_PATIENCE, self._tell)

    def _tell(self) -> None:
        found, overrun = self._found, self._overrun
        self._found, self._overrun, self._later = set(), False, None
        self._lost(None if overrun else found)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each."""
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[max(_HEADER.size, -(-length // 4) * 4) :]


# -- rules -----------------------------------------------------------------------------------------

#: ``NFNL_SUBSYS_NFTABLES`` with ``NFT_MSG_DELTABLE``, ``_DELCHAIN`` and ``_DELRULE``.
_LOSSES = frozenset((10 << 8) | kind for kind in (2, 5, 8))
#: ``NFT_MSG_NEWTABLE``: what is in a new table of firewalld's, our bridges are not yet.
_NEW = 10 << 8
#: Netfilter's own header; the first kind of attribute is always the table's name.
_NETFILTER, _NAME = 4, 1
#: The table of firewalld.
FIREWALLD = "firewalld"


def lost_tables(data: bytes) -> Iterator[str]:
    """The tables of which something was removed, and firewalld's when it is made."""
    for kind, content in _messages(data):
        name = _name(content[_NETFILTER:]) if kind in _LOSSES or kind == _NEW else None
        if name is not None and (kind in _LOSSES or name == FIREWALLD):
            yield name


def _name(attributes: bytes) -> str | None:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _NAME:
            return attributes[_ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        attributes = attributes[max(_ATTRIBUTE.size, -(-length // 4) * 4) :]
    return None


# -- links -----------------------------------------------------------------------------------------

#: ``RTM_DELLINK``. Of the family of bridges it says that a port has left one.
_DELLINK, _UNSPECIFIED = 17, 0
#: ``struct ifinfomsg``: family, type and index.
_LINK = struct.Struct("=BxHi")


def lost_links(data: bytes) -> Iterator[int]:
    """The indices of links that were removed."""
    for kind, content in _messages(data):
        if kind == _DELLINK and len(content) >= _LINK.size:
            family, _, index = _LINK.unpack_from(content)
            if family == _UNSPECIFIED:
                yield index


#: ``NETLINK_NETFILTER`` with ``NFNLGRP_NFTABLES``, and ``NETLINK_ROUTE`` with ``RTNLGRP_LINK``.
TABLES = Group(12, 7, lost_tables)
LINKS = Group(0, 1, lost_links)
