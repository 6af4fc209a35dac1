# SPDX-License-Identifier: Apache-2.0
"""What is made of a host for a network that is started, and unmade when it is stopped.

The steps of a start are in the record before they are taken, and each can be undone although it
was never made: a start that fails, a stop, and a daemon that finds what another one left all
undo in the same way.
"""

from __future__ import annotations

import os

from virloom.drivers.network.naming import has_own_bridge
from virloom.drivers.network.record import NetworkRecord
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.network import Network

#: Where the kernel tells of its links.
_LINKS = "/sys/class/net"
#: Where it tells of PCI devices.
_PCI = "/sys/bus/pci/devices"


class Activation:
    """Networks on this host."""

    def has_link(self, name: str) -> bool:
        """Whether there is a link of that name, whoever's."""
        return os.path.exists(os.path.join(_LINKS, name))

    def is_virtual_function(self, address: str) -> bool:
        """Whether the PCI device of that address is part of another one (SR-IOV)."""
        return os.path.exists(os.path.join(_PCI, address, "physfn"))

    async def start(self, model: Network, record: NetworkRecord) -> None:
        """Makes what the network needs; on an error the caller has it undone by :meth:`stop`.

        Raises:
            VirloomError: What cannot be made.
        """
        if has_own_bridge(model):
            raise ConfigUnsupported(
                f"network '{model.name}': nothing here makes bridges", domain=ErrorDomain.NETWORK
            )

    async def stop(self, model: Network, record: NetworkRecord) -> None:
        """Unmakes all that the record tells of, as far as it is there."""

    async def take_over(self, model: Network, record: NetworkRecord) -> None:
        """Puts back what somebody has taken from the network while no daemon ran."""

    async def change(self, former: Network, model: Network, record: NetworkRecord) -> None:
        """Applies a changed document to the active network.

        Raises:
            VirloomError: The host would not; the caller keeps the former document.
        """
