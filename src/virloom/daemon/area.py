# SPDX-License-Identifier: Apache-2.0
"""What the daemons of one area have alike: secrets, networks, storage, interfaces, …"""

from __future__ import annotations

from virloom.daemon.service import Service
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.uri import ConnectURI


class AreaService(Service):
    """The driver of one area, served to those who open its own URI.

    Args:
        dispatcher: Its handlers.
        uri: What leads to it, e.g. ``network:///system``.
        domain: Of its errors.
    """

    programs = frozenset((0x20008086,))

    def __init__(self, dispatcher: Dispatcher, uri: str, domain: ErrorDomain) -> None:
        self._dispatcher = dispatcher
        self._uri = uri
        self._domain = domain

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    @property
    def uri(self) -> str:
        """What leads to it."""
        return self._uri

    def check_uri(self, uri: str) -> None:
        ours, parsed = ConnectURI.parse(self._uri), ConnectURI.parse(uri)
        if parsed.scheme != ours.scheme:
            raise NoConnect(uri)
        if parsed.path != ours.path:
            raise InternalError(
                f"unexpected {ours.scheme} URI path '{parsed.path}', try {self._uri}",
                domain=self._domain,
            )

    def busy(self) -> bool:
        """Most areas are found again as they were left, so no daemon has to wait for an end."""
        return False
