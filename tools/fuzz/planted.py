# SPDX-License-Identifier: Apache-2.0
"""A bug that the fuzzer must find: a copy of the framing that believes what a peer says."""

from __future__ import annotations

from tools.fuzz import targets
from virloom.procedures import find
from virloom.rpc.connection import ServerConnection
from virloom.rpc.packet import Framer, Header


class _Gullible(Framer):
    """Takes the number of announced descriptors without looking whether it is there."""

    def _announced(self, header: Header, payload: bytes) -> None:
        self._awaiting = header, payload[4:], payload[3]


class _Server(ServerConnection):
    def __init__(self) -> None:
        super().__init__(find, (0x20008086, 0x20008087))
        self._framer = _Gullible()


def planted(data: bytes) -> None:
    """As the target ``server``, with the bug."""
    targets._serve(_Server(), data)
