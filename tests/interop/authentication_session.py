# SPDX-License-Identifier: Apache-2.0
"""How one user gets in: run as ``authentication_session.py SOCKET``, prints every answer.

With ``wait`` behind it prints its pid first, and goes on when a line comes.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from virloom.errors import VirloomError
from virloom.procedures import connect, find
from virloom.procedures.record import VOID, Procedure, Record, TypedParamValue
from virloom.procedures.types import TypedParam
from virloom.rpc.connection import ClientConnection


class Peer:
    """One connection."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(path)
        self._connection = ClientConnection(find)

    def say(self, what: str, procedure: Procedure[Any, Any], args: Record) -> None:
        """Prints what a call is answered."""
        _, data = self._connection.call(procedure, args)
        self._socket.sendall(data)
        (reply,) = self._connection.receive(self._socket.recv(1 << 16))
        result: Any = getattr(reply, "result", reply)
        if isinstance(result, VirloomError):
            print(what, result.code, int(result.domain), result.message)
        else:
            print(what, result)

    def identity(self, what: str, *parameters: tuple[str, int, int]) -> None:
        """States an identity."""
        given = [TypedParam(name, TypedParamValue(kind, value)) for name, kind, value in parameters]
        self.say(what, connect.CONNECT_SET_IDENTITY, connect.ConnectSetIdentityArgs(given, 0))


def main() -> None:
    peer = Peer(sys.argv[1])
    if sys.argv[2:]:
        print(os.getpid(), flush=True)
        sys.stdin.readline()
    opening = connect.ConnectOpenArgs("qemu:///system", 0)
    peer.say("open at once", connect.CONNECT_OPEN, opening)
    peer.say("ways", connect.AUTH_LIST, VOID)
    peer.say("open", connect.CONNECT_OPEN, opening)
    peer.say("sasl", connect.AUTH_SASL_INIT, VOID)
    if os.getuid():
        peer.say("polkit", connect.AUTH_POLKIT, VOID)
        peer.say("ways", connect.AUTH_LIST, VOID)
        peer.say("open", connect.CONNECT_OPEN, opening)
    if not os.getuid():
        peer.identity("as somebody", ("unix-user-id", 4, 1000))
        peer.identity("wrong type", ("unix-user-id", 1, 1000))
        peer.identity("twice", ("unix-user-id", 4, 1000), ("unix-user-id", 4, 1001))
        peer.identity("unknown", ("shoe-size", 4, 46))
    peer.say("type", connect.CONNECT_GET_TYPE, VOID)


if __name__ == "__main__":
    main()
