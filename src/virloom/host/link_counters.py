# SPDX-License-Identifier: Apache-2.0
"""What the kernel has counted of links: ``/proc/net/dev`` (proc(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virloom.host.openings import open_file

_COUNTERS = "/proc/thread-self/net/dev"
#: Two lines name the columns; eight of them are of what was received, the rest of what was sent.
_TITLES, _HALF = 2, 8


class Counters(NamedTuple):
    """One direction of a link.

    Attributes:
        bytes: That passed.
        packets: That passed.
        errors: Packets that did not, by a fault.
        dropped: Packets that did not, for want of room or of somebody who wants them.
    """

    bytes: int
    packets: int
    errors: int
    dropped: int


class LinkCounters(NamedTuple):
    """Both directions, as the host sees them."""

    received: Counters
    sent: Counters


def counters_of_all() -> dict[str, LinkCounters]:
    """The counters of every link, by name: of this network, or the one that openings lead to.

    Raises:
        OSError: The kernel does not tell.
    """
    return {name: _counters(rest) for name, rest in _lines()}


def counters_of(link: str) -> LinkCounters | None:
    """The counters of one link; None where there is none of that name.

    Raises:
        OSError: The kernel does not tell.
    """
    return next((_counters(rest) for name, rest in _lines() if name == link), None)


def _lines() -> Iterator[tuple[str, str]]:
    with open(_COUNTERS, encoding="utf-8", errors="surrogateescape", opener=open_file) as file:
        lines = file.readlines()
    for line in lines[_TITLES:]:
        name, _, rest = line.rpartition(":")  # a name may have a colon, a counter has none
        yield name.strip(), rest


def _counters(text: str) -> LinkCounters:
    numbers = [int(word) for word in text.split()]
    return LinkCounters(Counters(*numbers[:4]), Counters(*numbers[_HALF : _HALF + 4]))
