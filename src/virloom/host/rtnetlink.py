# SPDX-License-Identifier: Apache-2.0
"""Single messages of rtnetlink(7), put together and taken apart by hand.

For the daemon of guests and for whoever cleans up after it, who carry no netlink library: it would
cost either more time and memory than all that is asked for here. Numbers are of linux/rtnetlink.h
and linux/netlink.h.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct

from virloom.host import openings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: ``RTM_NEWLINK``, ``RTM_DELLINK``, ``RTM_SETLINK``, ``RTM_NEWNEIGH``.
NEW_LINK, DELETE_LINK, SET_LINK, NEW_NEIGHBOUR = 16, 17, 19, 28
_GET_LINK, _ERROR, _DONE = 18, 2, 3
#: ``NLM_F_REQUEST``, ``NLM_F_ACK``, ``NLM_F_DUMP``.
_REQUEST, _ACKNOWLEDGED, _ALL = 0x1, 0x4, 0x300
#: ``SOL_NETLINK``, ``NETLINK_GET_STRICT_CHK``.
_OF_NETLINK, _STRICT = 270, 12
#: ``IFLA_IFNAME``.
NAME = 3
#: Without ``NLA_F_NESTED`` and ``NLA_F_NET_BYTEORDER``.
_KIND_MASK = 0x3FFF
#: An empty ``struct ifinfomsg``: attributes say which link is meant.
ANY = bytes(16)

_HEADER = struct.Struct("=IHHII")
_ANSWER = struct.Struct("=IHHIIi")


def text(name: str) -> bytes:
    """A name, as attributes have it."""
    return os.fsencode(name) + b"\0"


def hardware(address: str) -> bytes:
    """The six bytes of ``52:54:00:…``."""
    return bytes.fromhex(address.replace(":", ""))


def attribute(kind: int, value: bytes) -> bytes:
    """A ``struct rtattr`` with its value, filled up to a multiple of four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each attribute."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & _KIND_MASK, data[4:length]
        data = data[max(4, -(-length // 4) * 4) :]


def ask(kind: int, flags: int, body: bytes) -> None:
    """Has the kernel change something.

    Args:
        flags: Besides those of a request that is to be acknowledged.

    Raises:
        OSError: It would not.
    """
    flags |= _REQUEST | _ACKNOWLEDGED
    header = _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0)
    _check(_answer(header + body))


def link(name: str, more: bytes = b"") -> list[tuple[int, bytes]]:
    """What the kernel tells of a link: kind and value of each attribute.

    Args:
        more: Attributes that say what else is to be told.

    Raises:
        OSError: There is none of that name.
    """
    body = ANY + attribute(NAME, text(name)) + more
    header = _HEADER.pack(_HEADER.size + len(body), _GET_LINK, _REQUEST, 1, 0)
    answer = _answer(header + body)
    if _HEADER.unpack_from(answer)[1] == _ERROR:
        _check(answer)
    return list(attributes(answer[_HEADER.size + len(ANY) :]))


def dump(kind: int, body: bytes) -> Iterator[bytes]:
    """All that the kernel has of a kind: what follows the header of each message.

    Args:
        body: What is asked for, which a kernel from 4.20 on keeps to.

    Raises:
        OSError: It would not.
    """
    made = openings.new_socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with made as kernel:
        kernel.bind((0, 0))
        with contextlib.suppress(OSError):  # an older one, which tells more than is asked for
            kernel.setsockopt(_OF_NETLINK, _STRICT, 1)
        header = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ALL, 1, 0)
        kernel.send(header + body)
        while True:
            for kind, message in _messages(kernel.recv(1 << 17)):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    _check(message)
                yield message[_HEADER.size :]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and whole of each message that came at once."""
    place = 0
    while place + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, place)
        yield kind, data[place : place + length]
        place += max(_HEADER.size, -(-length // 4) * 4)


def _answer(message: bytes) -> bytes:
    made = openings.new_socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with made as kernel:
        kernel.bind((0, 0))
        kernel.send(message)
        return kernel.recv(1 << 16)


def _check(answer: bytes) -> None:
    *_, result = _ANSWER.unpack_from(answer)
    if result:
        raise OSError(-result, os.strerror(-result))
