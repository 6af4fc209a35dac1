# SPDX-License-Identifier: Apache-2.0
"""How much of the daemon one client may have."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds of clients, with libvirt's defaults where it has the same.

    Attributes:
        clients: Clients at once; one more is sent away.
        anonymous: Clients that have not authenticated; further ones wait to be accepted.
        requests: Calls of one client that run at once; further ones wait.
        keepalive_interval: Seconds of silence before a ping; -1 for no pings.
        keepalive_count: Unanswered pings before the client is taken for dead.
        waiting: Bytes of calls and stream data that wait, before nothing more is read.
        unsent: Bytes that a client does not read, before it is cut off.
        anonymous_seconds: Time to authenticate.
        anonymous_message: The longest message before that, in bytes.
    """

    clients: int = 5000
    anonymous: int = 20
    requests: int = 5
    keepalive_interval: int = 5
    keepalive_count: int = 5
    waiting: int = 1 << 20
    unsent: int = 64 << 20
    anonymous_seconds: float = 60.0
    anonymous_message: int = 65536


#: Bytes that a client has not read yet, above which its further calls and streams wait.
PRESSURE = 1 << 20
