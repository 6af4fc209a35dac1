# SPDX-License-Identifier: Apache-2.0
"""The interfaces of the host, which are read each time that somebody asks; nothing is kept."""

from __future__ import annotations

from virloom.drivers.interface.description import describe
from virloom.drivers.interface.links import HostLink, Links
from virloom.enums.error import ErrorDomain
from virloom.errors import MultipleInterfaces, NoInterface, SystemFailure
from virloom.model.interface import HostInterface
from virloom.procedures.interface import NonnullInterface

_DOMAIN = ErrorDomain.INTERFACE


class ListedLink:
    """A device, as lists have it."""

    def __init__(self, link: HostLink) -> None:
        self.name = link.name
        self.mac = link.mac
        self.active = link.active
        self.down = link.down

    def ref(self) -> NonnullInterface:
        """What calls name it by."""
        return NonnullInterface(self.name, self.mac)


class InterfaceDriver:
    """Reads the host's interfaces.

    Attributes:
        uri: What clients are told.
    """

    def __init__(self, links: Links, uri: str) -> None:
        self._links = links
        self.uri = uri

    @property
    def all(self) -> list[ListedLink]:
        """Those that stand for themselves: no parts of bridges and bonds, no taps of guests.

        Raises:
            SystemFailure: The kernel does not tell.
        """
        try:
            found = self._links.all()
        except OSError as exc:
            raise _unreadable(exc) from exc
        return [ListedLink(link) for link in found if not link.port and not link.tap]

    def find(self, name: str) -> ListedLink:
        """The interface of that name, also one that lists leave out.

        Raises:
            NoInterface: There is none.
            SystemFailure: The kernel does not tell.
        """
        try:
            link = self._links.find(name)
        except OSError as exc:
            raise _unreadable(exc) from exc
        if link is None:
            raise NoInterface(f"there is no interface named '{name}'", domain=_DOMAIN)
        return ListedLink(link)

    def find_mac(self, mac: str) -> ListedLink:
        """The listed interface with that address, written as the kernel does: in lower case.

        Raises:
            NoInterface: There is none.
            MultipleInterfaces: There are several.
            SystemFailure: The kernel does not tell.
        """
        found = [one for one in self.all if one.mac and one.mac == mac]
        if not found:
            raise NoInterface(f"there is no interface with the address '{mac}'", domain=_DOMAIN)
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            raise MultipleInterfaces(f"'{mac}' is the address of {names}", domain=_DOMAIN)
        return found[0]

    def describe(self, name: str) -> HostInterface:
        """The document of the interface of that name.

        Raises:
            NoInterface: There is none, or it has just gone.
            SystemFailure: The kernel does not tell.
        """
        self.find(name)
        try:
            model = describe(self._links, name)
        except OSError as exc:
            raise _unreadable(exc) from exc
        self.find(name)  # what went meanwhile has left half a document
        return model


def _unreadable(exc: OSError) -> SystemFailure:
    return SystemFailure(
        f"the host's interfaces cannot be read: {exc.filename}: {exc.strerror}", domain=_DOMAIN
    )
