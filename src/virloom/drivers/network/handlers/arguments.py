# SPDX-License-Identifier: Apache-2.0
"""Which flags a call may have, and which of a network's documents it is about."""

from __future__ import annotations

from functools import partial

from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.runtime import arguments
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkUpdateFlags
from virloom.errors import OperationInvalid

LIVE, CONFIG = int(NetworkUpdateFlags.LIVE), int(NetworkUpdateFlags.CONFIG)


#: Refuses flags that a function does not know.
check_flags = partial(arguments.check_flags, domain=ErrorDomain.NETWORK)


def affected(network: VirtualNetwork, flags: int) -> tuple[bool, bool]:
    """Whether a change is for what runs, and whether for the next start; without a flag, for one.

    Raises:
        OperationInvalid: The network has not what is to be changed.
    """
    live, config = bool(flags & LIVE), bool(flags & CONFIG)
    if not live and not config:
        live, config = network.active, not network.active
    if live and not network.active:
        raise OperationInvalid("network is not running", domain=ErrorDomain.NETWORK)
    if config and not network.persistent:
        raise OperationInvalid(
            "cannot change persistent config of a transient network", domain=ErrorDomain.NETWORK
        )
    return live, config
