# SPDX-License-Identifier: Apache-2.0
"""Virloom: libvirt, renewed, in Python.

::

    async with virloom.open("qemu:///embed?root=/srv/guests") as conn:
        dom = await conn.create_xml(document)

``virloom.open_sync`` gives the same, blocking. Errors are in :mod:`virloom.errors`, constants in
:mod:`virloom.enums`; both, and the classes of events, are also here by their names.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virloom.client.connection import Connection, Opening
    from virloom.client.domain.domain import Domain
    from virloom.client.subscription import EventGap
    from virloom.errors import VirloomError
    from virloom.sync.connection import Connection as SyncConnection
    from virloom.uri import ConnectURI

__all__ = [
    "ConnectURI",
    "Connection",
    "Domain",
    "EventGap",
    "VirloomError",
    "open",
    "open_sync",
]

#: Where names that are not imported with the package come from. The modules are asked in order
#: for any other name: every error class and every event class.
_HOMES = {
    "ConnectURI": "virloom.uri",
    "Connection": "virloom.client.connection",
    "Domain": "virloom.client.domain.domain",
    "EventGap": "virloom.client.subscription",
}
_BY_NAME = ("virloom.errors", "virloom.client.domain.events")


def open(uri: str | ConnectURI | None = None, *, readonly: bool = False) -> Opening:
    """Opens a connection: ``async with virloom.open(uri) as conn`` or ``await virloom.open(uri)``.

    Args:
        uri: A libvirt URI; None for what ``LIBVIRT_DEFAULT_URI`` names.
        readonly: Only calls that change nothing.

    Raises:
        InvalidArg: The URI is malformed, or there is none.
        NoSupport: Nothing here serves such a URI.
        VirloomError: What the driver answered.
    """
    from virloom.client.connection import Opening

    return Opening(uri, readonly=readonly)


def open_sync(uri: str | ConnectURI | None = None, *, readonly: bool = False) -> SyncConnection:
    """The same, blocking: ``with virloom.open_sync(uri) as conn``. Safe in any thread."""
    from virloom.sync.connection import connect

    return connect(uri, readonly=readonly)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        from importlib import import_module

        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        for home in _BY_NAME if name[0].isupper() else ():
            if hasattr(module := import_module(home), name):
                return getattr(module, name)
    raise AttributeError(f"module 'virloom' has no attribute {name!r}")
