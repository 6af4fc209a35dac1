# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the host that the test driver pretends to be."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import MultipleInterfaces, NoInterface, OperationInvalid
from virloom.model.interface import HostInterface
from virloom.procedures.interface import NonnullInterface


class Interface:
    """An interface, on or off."""

    def __init__(self, model: HostInterface, *, active: bool = False) -> None:
        self.model = model
        self.active = active

    @property
    def name(self) -> str:
        """Its name."""
        return self.model.name or ""

    @property
    def mac(self) -> str:
        """Its hardware address; empty where the document has none."""
        return self.model.mac.address or ""

    @property
    def down(self) -> bool:
        """Whether it is off."""
        return not self.active

    def ref(self) -> NonnullInterface:
        """What calls name it by."""
        return NonnullInterface(self.name, self.mac)


class Interfaces:
    """All interfaces, and how they were before the changes that may be taken back."""

    def __init__(self) -> None:
        self._by_name: dict[str, Interface] = {}
        self._before: dict[str, Interface] | None = None

    @property
    def all(self) -> list[Interface]:
        """Those that there are."""
        return list(self._by_name.values())

    def add(self, model: HostInterface, *, active: bool = False) -> Interface:
        """Adds an interface, or gives a known one another document; whether it is on stays."""
        known = self._by_name.get(model.name or "")
        if known is not None:
            known.model = model
            return known
        made = Interface(model, active=active)
        self._by_name[made.name] = made
        return made

    def remove(self, interface: Interface) -> None:
        """Forgets an interface."""
        del self._by_name[interface.name]

    def find(self, name: str) -> Interface:
        """The interface of that name.

        Raises:
            NoInterface: There is none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise NoInterface(f"no interface with matching name '{name}'", domain=ErrorDomain.TEST)
        return found

    def find_mac(self, mac: str) -> Interface:
        """The interface with that hardware address.

        Raises:
            NoInterface: There is none.
            MultipleInterfaces: There are several.
        """
        found = [one for one in self.all if one.mac and one.mac.lower() == mac.lower()]
        if not found:
            raise NoInterface(f"no interface with matching mac '{mac}'", domain=ErrorDomain.TEST)
        if len(found) > 1:
            raise MultipleInterfaces(domain=ErrorDomain.TEST)
        return found[0]

    # -- changes that may be taken back --------------------------------------------------------

    def begin(self) -> None:
        """From now on changes may be taken back.

        Raises:
            OperationInvalid: That is so already.
        """
        if self._before is not None:
            raise OperationInvalid("there is another transaction running.", domain=ErrorDomain.TEST)
        self._before = {
            name: Interface(one.model, active=one.active) for name, one in self._by_name.items()
        }

    def commit(self) -> None:
        """The changes stay.

        Raises:
            OperationInvalid: None were begun.
        """
        if self._before is None:
            raise OperationInvalid(
                "no transaction running, nothing to be committed.", domain=ErrorDomain.TEST
            )
        self._before = None

    def roll_back(self) -> None:
        """All is as it was when the changes were begun.

        Raises:
            OperationInvalid: None were begun.
        """
        if self._before is None:
            raise OperationInvalid(
                "no transaction running, nothing to rollback.", domain=ErrorDomain.TEST
            )
        self._by_name, self._before = self._before, None
