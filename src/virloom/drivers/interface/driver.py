# SPDX-License-Identifier: Apache-2.0
"""The interfaces of the host: what is there and what is defined, read each time somebody asks."""

from __future__ import annotations

from virloom.drivers.interface.changing import InterfaceChanges
from virloom.drivers.interface.description import describe
from virloom.drivers.interface.links import HostLink, Links
from virloom.enums.error import ErrorDomain
from virloom.errors import MultipleInterfaces, NoInterface, SystemFailure
from virloom.model.interface import HostInterface
from virloom.procedures.interface import NonnullInterface

_DOMAIN = ErrorDomain.INTERFACE


class ListedLink:
    """An interface, as lists have it."""

    def __init__(self, name: str, mac: str, *, active: bool, down: bool) -> None:
        self.name = name
        self.mac = mac
        self.active = active
        self.down = down

    def ref(self) -> NonnullInterface:
        """What calls name it by."""
        return NonnullInterface(self.name, self.mac)


class InterfaceDriver:
    """Reads the host's interfaces.

    Args:
        changes: Who changes them; None where nobody may.

    Attributes:
        uri: What clients are told.
    """

    def __init__(self, links: Links, uri: str, changes: InterfaceChanges | None = None) -> None:
        self._links = links
        self.uri = uri
        self.changes = changes

    @property
    def all(self) -> list[ListedLink]:
        """Those that stand for themselves: no parts of bridges and bonds, no taps of guests.

        Raises:
            SystemFailure: The kernel does not tell.
        """
        try:
            found = {link.name: link for link in self._links.all()}
        except OSError as exc:
            raise _unreadable(exc) from exc
        defined = self._defined()
        listed = [
            _there(link, defined=name in defined)
            for name, link in found.items()
            if not link.port and not link.tap
        ]
        return [*listed, *(_absent(defined[name]) for name in sorted(defined.keys() - found))]

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
        defined = self._defined().get(name)
        if link is not None:
            return _there(link, defined=defined is not None)
        if defined is None:
            raise NoInterface(f"there is no interface named '{name}'", domain=_DOMAIN)
        return _absent(defined)

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

    def describe(self, name: str, *, inactive: bool = False) -> HostInterface:
        """The document of the interface of that name.

        Args:
            inactive: How it is defined, where it is, and not how it is.

        Raises:
            NoInterface: There is none, or it has just gone.
            SystemFailure: The kernel does not tell.
        """
        self.find(name)
        try:
            there = self._links.find(name) is not None
            defined = self._defined().get(name) if inactive or not there else None
            model = defined or describe(self._links, name)
        except OSError as exc:
            raise _unreadable(exc) from exc
        self.find(name)  # what went meanwhile has left half a document
        return model

    def _defined(self) -> dict[str, HostInterface]:
        return {} if self.changes is None else self.changes.definitions.all()


def _there(link: HostLink, *, defined: bool) -> ListedLink:
    """A device; one without a carrier is active where it is defined and switched on.

    libvirt's back ends tell it differently: udev's by the carrier, netcf's by the switch. Whoever
    has just started an interface is not to be told that it is inactive.
    """
    active = link.active or (defined and link.on)
    return ListedLink(
        link.name, link.mac, active=active, down=not active and (defined or link.down)
    )


def _absent(model: HostInterface) -> ListedLink:
    return ListedLink(model.name or "", (model.mac.address or "").lower(), active=False, down=True)


def _unreadable(exc: OSError) -> SystemFailure:
    return SystemFailure(
        f"the host's interfaces cannot be read: {exc.filename}: {exc.strerror}", domain=_DOMAIN
    )
