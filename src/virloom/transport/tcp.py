# SPDX-License-Identifier: Apache-2.0
"""TCP: the same transport as over a UNIX socket, without descriptors and identity."""

from __future__ import annotations

import asyncio
import socket

from virloom.transport.base import PeerIdentity
from virloom.transport.unix import SocketTransport, format_address


async def connect_tcp(host: str, port: int) -> SocketTransport:
    """Connects to the first address of *host* that answers.

    Raises:
        OSError: The name has no address (``socket.gaierror``), or what the last address gave.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
            peer = PeerIdentity(address=format_address(address))
            return SocketTransport(connection, peer)
        except OSError as exc:
            connection.close()
            failure = exc
        except BaseException:
            connection.close()
            raise
    raise failure or OSError(f"{host} has no address")


def listen_tcp(host: str, port: int, backlog: int = 128) -> list[socket.socket]:
    """Listening sockets on every address of *host*; an empty host is every interface.

    Raises:
        OSError: The name has no address, or one is taken.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in found:
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # the IPv4 addresses have sockets of their own
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(backlog)
            listening.setblocking(False)
    except BaseException:
        for listening in sockets:
            listening.close()
        raise
    return sockets
