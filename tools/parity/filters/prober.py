# SPDX-License-Identifier: Apache-2.0
"""Sends frames over a bridge and tells which arrive; run in a network of its own.

``python prober.py [SECONDS]``: each line is a JSON list of turns, each a list of ``[way, frame,
mark]`` in hex; the answer is a list of truths for each turn. Between lines, connections are
forgotten. What has not arrived when nothing has for SECONDS has not passed.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Sequence

_HOST = "192.0.2.1"
_SILENCE = 0.02
#: ``linux/netfilter/nfnetlink.h``: messages to connection tracking, and the one that deletes all.
_NETLINK_NETFILTER, _DELETE = 12, 1 << 8 | 2


def forget_connections() -> None:
    """Takes all connections out of the kernel's table."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        flags = 1 | 4  # a request, to be acknowledged
        head = (20).to_bytes(4, "little") + _DELETE.to_bytes(2, "little")
        netlink.send(head + flags.to_bytes(2, "little") + bytes(8) + bytes(4))
        netlink.recv(4096)


class Prober:
    """The ends of the links, open.

    Args:
        silence: Seconds without any frame after which those that are missing have not passed.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._ends = {name: self._raw(name) for name in ("guest", "peer")}
        self._host = [self._port(number) for number in (22, 53)]

    @staticmethod
    def _raw(name: str) -> socket.socket:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.bind((name, 0))
        end.setblocking(False)
        return end

    @staticmethod
    def _port(number: int) -> socket.socket:
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind((_HOST, number))
        end.setblocking(False)
        return end

    def turn(self, frames: Sequence[tuple[str, bytes, bytes]]) -> list[bool]:
        """Sends frames; which of them arrived where they go."""
        missing = {"out": set(), "in": set(), "host": set()}  # type: dict[str, set[bytes]]
        for way, data, mark in frames:
            missing[way].add(mark)
            self._ends["peer" if way == "in" else "guest"].send(data)
        ways = {self._ends["peer"]: "out", self._ends["guest"]: "in"}
        ways |= dict.fromkeys(self._host, "host")
        last = time.monotonic()
        while any(missing.values()) and time.monotonic() < last + self._silence:
            for end in select.select(list(ways), [], [], self._silence)[0]:
                if self._arrived(end, missing[ways[end]]):
                    last = time.monotonic()
        return [mark not in missing[way] for way, _, mark in frames]

    @staticmethod
    def _arrived(end: socket.socket, missing: set[bytes]) -> bool:
        """Takes what has arrived off *missing*; what an end sent itself comes back too."""
        news = False
        while True:
            try:
                data, sender = end.recvfrom(4096)
            except BlockingIOError:
                return news
            if end.family == socket.AF_PACKET and sender[2] == 4:  # PACKET_OUTGOING
                continue
            found = {mark for mark in missing if mark in data}
            missing -= found
            news = news or bool(found)


def main() -> None:
    """Answers each line."""
    prober = Prober(float(sys.argv[1]) if len(sys.argv) > 1 else _SILENCE)
    for line in sys.stdin:
        forget_connections()
        answer = [
            prober.turn(
                [(way, bytes.fromhex(data), bytes.fromhex(mark)) for way, data, mark in one]
            )
            for one in json.loads(line)
        ]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
