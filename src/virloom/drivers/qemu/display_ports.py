# SPDX-License-Identifier: Apache-2.0
"""Which ports displays may have."""

from __future__ import annotations

import socket

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed


class DisplayPorts:
    """Ports of displays that are to be had, counted from 5900 as everybody expects.

    A port is reserved from its choice until QEMU listens on it, so that two guests that start at
    the same time do not get the same one.
    """

    def __init__(self, first: int, last: int) -> None:
        self._range = range(first, last + 1)
        self._reserved: set[int] = set()

    def reserve(self, address: str) -> int:
        """A free port of *address*.

        Raises:
            OperationFailed: All are taken.
        """
        for port in self._range:
            if port not in self._reserved and _can_bind(address, port):
                self._reserved.add(port)
                return port
        raise OperationFailed(
            f"no free display port from {self._range.start} to {self._range.stop - 1}",
            domain=ErrorDomain.QEMU,
        )

    def release(self, port: int) -> None:
        """Gives a port back."""
        self._reserved.discard(port)


def _can_bind(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
