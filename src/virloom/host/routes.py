# SPDX-License-Identifier: Apache-2.0
"""The host's routes over IPv6, asked of the kernel by one message of rtnetlink(7).

Hosts at the edge of a network have tens of thousands of them: a library that makes an object of
each takes seconds, and ``/proc/net/ipv6_route`` has those of all tables without telling which.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from virloom.host import rtnetlink

#: ``RTM_GETROUTE`` and ``RT_TABLE_MAIN`` of linux/rtnetlink.h.
_GET_ROUTE, _MAIN = 26, 254
#: ``RTA_DST``, ``RTA_OIF``, ``RTA_MULTIPATH``.
_DESTINATION, _LINK, _SEVERAL = 1, 4, 9
#: ``struct rtmsg``: family, lengths of destination and source, type of service, table, who made it,
#: scope, kind, flags.
_ROUTE = struct.Struct("=BBBBBBBBI")
_INDEX = struct.Struct("=I")


class Route6(NamedTuple):
    """A route of the main table.

    Attributes:
        subnet: Its 16 bytes.
        length: How many bits of them count.
        link: The index of the link that it leads to; 0 where there is none.
    """

    subnet: bytes
    length: int
    link: int


def main_routes6() -> Iterator[Route6]:
    """The routes of IPv6's main table, but for the default ones.

    Raises:
        OSError: The kernel would not, or has no IPv6.
    """
    asked = _ROUTE.pack(socket.AF_INET6, 0, 0, 0, _MAIN, 0, 0, 0, 0)
    for told in rtnetlink.dump(_GET_ROUTE, asked):
        family, length, _, _, table, *_ = _ROUTE.unpack_from(told)
        if family != socket.AF_INET6 or table != _MAIN or not length:
            continue  # a kernel before 4.20 tells all
        found = dict(rtnetlink.attributes(told[_ROUTE.size :]))
        if _DESTINATION in found:
            yield Route6(found[_DESTINATION], length, _link(found))


def _link(found: dict[int, bytes]) -> int:
    if _LINK in found:
        return int(_INDEX.unpack_from(found[_LINK])[0])
    if _SEVERAL in found:  # ``struct rtnexthop``: the index of the first one's link is in its end
        return int(_INDEX.unpack_from(found[_SEVERAL], 4)[0])
    return 0
