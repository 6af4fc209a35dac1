# SPDX-License-Identifier: Apache-2.0
"""The process of a :class:`virloom.host.door.Door`: opens what it is asked for, until nobody asks.

Run by its path, isolated, in the network whose sockets and files are wanted: it imports nothing of
the package. On standard input is one end of a pair of sockets. A message is a list in JSON,
``["socket", family, kind, protocol]`` or ``["open", path, flags]``; the answer is the number of an
error, 0 with the descriptor.
"""

import json
import os
import socket


def opened(what: str, *words: object) -> int:
    """The descriptor."""
    if what == "socket":
        family, kind, protocol = (int(str(word)) for word in words)
        return socket.socket(family, kind, protocol).detach()
    path, flags = words
    return os.open(str(path), int(str(flags)))


def serve(peer: socket.socket) -> None:
    """Answers until the other end is closed."""
    while asked := peer.recv(4096):
        try:
            fd = opened(*json.loads(asked))
        except OSError as error:
            peer.send(str(error.errno or 5).encode())
            continue
        try:
            socket.send_fds(peer, [b"0"], [fd])
        finally:
            os.close(fd)


if __name__ == "__main__":
    with socket.socket(fileno=0) as end:
        serve(end)
