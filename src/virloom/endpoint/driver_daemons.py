# SPDX-License-Identifier: Apache-2.0
"""Daemons that serve drivers, and no clients (virtlogd, virtlockd), reached by their sockets."""

from __future__ import annotations

from pathlib import Path

from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import NoSupport, system_failure
from virloom.procedures.record import Area
from virloom.transport.unix import connect_unix


def daemon_opener(area: Area, daemon: str, directory: Path) -> AreaOpener:
    """How a driver reaches such a daemon.

    Args:
        daemon: Its name, with which that of its socket begins.
        directory: Where its socket is.
    """
    path = directory / f"{daemon}-sock"

    async def connect(identity: Identity) -> Endpoint:
        from virloom.endpoint.remote import RemoteEndpoint  # not before somebody is asked

        if not path.exists():
            raise NoSupport(f"the {area} driver is not installed here")
        try:
            transport = await connect_unix(str(path))
        except OSError as exc:
            raise system_failure(
                f"{daemon} cannot be reached at '{path}'", exc, domain=ErrorDomain.RPC
            ) from exc
        return RemoteEndpoint(transport, handshake=False)

    return connect
