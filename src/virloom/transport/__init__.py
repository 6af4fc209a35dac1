# SPDX-License-Identifier: Apache-2.0
"""What carries the protocol's bytes: UNIX sockets with descriptors, TCP, and memory."""

from virloom.transport.base import PeerIdentity, Transport, TransportClosed
from virloom.transport.memory import memory_pair
from virloom.transport.tcp import connect_tcp, listen_tcp
from virloom.transport.unix import connect_unix, listen_unix, serve

__all__ = [
    "PeerIdentity",
    "Transport",
    "TransportClosed",
    "connect_tcp",
    "connect_unix",
    "listen_tcp",
    "listen_unix",
    "memory_pair",
    "serve",
]
