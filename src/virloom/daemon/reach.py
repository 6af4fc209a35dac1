# SPDX-License-Identifier: Apache-2.0
"""How a daemon's driver reaches the other areas: by the sockets of their daemons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.daemon.claimed import stated_identity
from virloom.daemon.relay.routes import AREAS, Route, area_routes
from virloom.daemon.token import SystemToken
from virloom.endpoint.areas import AreaOpener, Areas
from virloom.endpoint.driver_daemons import daemon_opener
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import NoSupport, system_failure
from virloom.procedures.connect import CONNECT_SET_IDENTITY, ConnectSetIdentityArgs
from virloom.procedures.record import Area
from virloom.transport.unix import connect_unix

if TYPE_CHECKING:
    from virloom.endpoint.remote import RemoteEndpoint


def by_sockets(directory: Path, path: str, inside: Mapping[Area, AreaOpener] = {}) -> Areas:
    """The daemons whose sockets are in *directory*.

    Args:
        path: Of what is opened there: ``/system`` or ``/session``.
        inside: The areas that this process serves itself.
    """
    routes, token = area_routes(directory, path), SystemToken(directory)
    openers: dict[Area, AreaOpener] = {area: _opener(routes[area], area, token) for area in AREAS}
    openers["log"] = daemon_opener("log", "virtlogd", directory)
    openers["lock"] = daemon_opener("lock", "virtlockd", directory)
    return Areas({**openers, **inside})


def _opener(route: Route, area: Area, token: SystemToken) -> AreaOpener:
    async def connect(identity: Identity) -> Endpoint:
        endpoint = await _connect(route, area)
        try:
            await endpoint.start()
            await endpoint.open(route.uri, area=True)
            stated = ConnectSetIdentityArgs(stated_identity(identity, token), 0)
            await endpoint.call(CONNECT_SET_IDENTITY, stated)
        except BaseException:
            await endpoint.drop()
            raise
        return endpoint

    return connect


async def _connect(route: Route, area: Area) -> RemoteEndpoint:
    from virloom.endpoint.remote import RemoteEndpoint  # not before somebody is asked

    path = route.socket(readonly=False)
    if not path.exists():
        raise NoSupport(f"the {area} driver is not installed here")
    try:
        transport = await connect_unix(str(path))
    except OSError as exc:
        raise system_failure(
            f"{route.daemon} cannot be reached at '{path}'", exc, domain=ErrorDomain.RPC
        ) from exc
    return RemoteEndpoint(transport)
