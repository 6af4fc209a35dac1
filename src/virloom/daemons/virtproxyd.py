# SPDX-License-Identifier: Apache-2.0
"""``virtproxyd``: the way in from the network, and by libvirt's old sockets; it drives nothing."""

from __future__ import annotations

import importlib
from typing import Any

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.relay.routes import AREAS, Route, area_routes, route_of, to_scheme
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.procedures.record import Procedure
from virloom.uri import ConnectURI


class ProxyService(Service):
    """Everything is another daemon's; the URI that a client opens tells whose."""

    #: The remote program, those of QEMU and LXC, and our recorder's.
    programs = frozenset((0x20008086, 0x20008087, 0x68000, 0x564C4A01))

    def __init__(self, places: Places) -> None:
        self._dispatcher = Dispatcher([])
        self._sockets = places.run
        self._path = "/session" if places.session else "/system"
        self._routes = area_routes(places.run, self._path)

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        parsed = ConnectURI.parse(uri)
        if to_scheme(parsed.scheme, self._sockets, uri) is None:
            raise NoConnect(uri)
        if parsed.path not in ("", "/", self._path):
            raise InternalError(
                f"unexpected URI path '{parsed.path}', try {parsed.scheme}://{self._path}",
                domain=ErrorDomain.REMOTE,
            )

    def primary(self, uri: str) -> Route | None:
        return to_scheme(ConnectURI.parse(uri).scheme, self._sockets, uri)

    def route(self, procedure: Procedure[Any, Any]) -> Route | None:
        return route_of(self._routes, procedure)

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        """There is nothing to read again."""

    async def close(self) -> None:
        """Its clients have gone before; nothing else is held."""


#: What is loaded on first use elsewhere. Here it is loaded before the first client: afterwards
#: this is a user who may be allowed less, even to read programs, and nothing is to change anyway.
_USED_LATER = (
    *(f"virloom.procedures.{area}" for area in sorted({*AREAS, "connect", "domain", "recorder"})),
    "virloom.procedures.lxc",
    "virloom.procedures.qemu",
    "virloom.daemon.admin_handlers",
    "ctypes",
    "traceback",
)


async def _open(places: Places) -> Service:
    for name in _USED_LATER:
        importlib.import_module(name)
    return ProxyService(places)


SPEC = DaemonSpec(
    "virtproxyd", "Virloom proxy daemon", _open, sockets="libvirt", network=True, relays_all=True
)


def main() -> int:
    """The program."""
    return run(SPEC)
