# SPDX-License-Identifier: Apache-2.0
"""The devices that guests' interfaces pretend to have on the host."""

from __future__ import annotations

from itertools import count

from virloom.model.domain import Domain


def name_interfaces(model: Domain) -> None:
    """Gives each interface without a device the next name that the domain does not use."""
    interfaces = model.devices.interfaces
    for interface in interfaces:
        if interface.target.dev is None:
            used = {other.target.dev for other in interfaces}
            interface.target.dev = next(
                name for number in count() if (name := f"testnet{number}") not in used
            )
