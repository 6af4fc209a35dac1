# SPDX-License-Identifier: Apache-2.0
"""Names and addresses that a network gets where its document gives none."""

from __future__ import annotations

import os
from collections.abc import Callable

from virloom.drivers.network.completion import OWN_BRIDGE, forward_mode
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.network import Network

#: What libvirt begins the names of its bridges with.
_PREFIX = "virbr"
#: Bridges that are tried; libvirt's bound.
_MOST = 256
#: Of addresses that belong to virtual machines: QEMU's prefix.
_VENDOR = bytes((0x52, 0x54, 0x00))


def has_own_bridge(model: Network) -> bool:
    """Whether the network's bridge is made with it."""
    return forward_mode(model) in OWN_BRIDGE


def name_bridge(
    model: Network, taken: Callable[[str], bool], exists: Callable[[str], bool]
) -> None:
    """Gives a bridge without a name, or with a pattern for it, the first free one, in place.

    Args:
        taken: Whether another network's document has a bridge of that name.
        exists: Whether the host has a link of that name.

    Raises:
        InternalError: All are taken (libvirt's code for it), or the one that is asked for is.
    """
    asked = model.bridge.name
    if asked and "%d" not in asked:
        if taken(asked):
            raise InternalError(
                f"bridge name '{asked}' already in use.", domain=ErrorDomain.NETWORK
            )
        return
    one = asked is not None and asked.count("%") == 1
    before, after = asked.split("%d", 1) if asked and one else (_PREFIX, "")
    for number in range(_MOST):
        name = f"{before}{number}{after}"
        if not taken(name) and not exists(name):
            model.bridge.name = name
            return
    raise InternalError(f"Bridge generation exceeded max id {_MOST}", domain=ErrorDomain.NETWORK)


def give_address(model: Network) -> None:
    """Gives its bridge a hardware address that stays, in place, where it has none."""
    if model.mac.address is None:
        drawn = _VENDOR + os.urandom(3)
        model.mac.address = ":".join(f"{byte:02x}" for byte in drawn)
