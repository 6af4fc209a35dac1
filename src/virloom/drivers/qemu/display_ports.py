# SPDX-License-Identifier: Apache-2.0
"""Which ports displays may have."""

from __future__ import annotations

import errno
import socket

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed


class DisplayPorts:
    """Ports of displays that are to be had, counted from 5900 as everybody expects.

    A port is reserved from its choice until QEMU listens on it, so that two guests that start at
    the same time do not get the same one, be they of other drivers, roots or processes: who has
    the abstract socket of a port's name has the port. Such names are seen as far as ports are
    (network_namespaces(7)), by every user, and are free when their holder has ended.
    """

    def __init__(self, first: int, last: int) -> None:
        self._range = range(first, last + 1)
        self._reserved: dict[int, socket.socket] = {}

    def reserve(self, address: str) -> int:
        """A free port of *address*.

        Raises:
            OperationFailed: All are taken.
        """
        for port in self._range:
            if port not in self._reserved and (claim := _claimed(port)) is not None:
                if _can_bind(address, port):
                    self._reserved[port] = claim
                    return port
                claim.close()
        raise OperationFailed(
            f"no free display port from {self._range.start} to {self._range.stop - 1}",
            domain=ErrorDomain.QEMU,
        )

    def release(self, port: int) -> None:
        """Gives a port back."""
        if (claim := self._reserved.pop(port, None)) is not None:
            claim.close()


def _claimed(port: int) -> socket.socket | None:
    """What keeps *port* from other starts; nothing if one of them has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0virloom-display-{port}")
    except OSError as exc:
        claim.close()
        if exc.errno != errno.EADDRINUSE:
            raise
        return None
    return claim


def _can_bind(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
