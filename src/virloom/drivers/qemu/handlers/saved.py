# SPDX-License-Identifier: Apache-2.0
"""What a domain may have beside itself, and none has yet: checkpoints.

Nothing here can make one, so there are none: clients ask before they undefine or list.
"""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.checkpoint import DomainCheckpointListFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomainCheckpoint
from virloom.procedures import domain as p

_CHECKPOINT_FLAGS = sum(set(DomainCheckpointListFlags))


class Saved:
    """Handlers that say that there is nothing."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_LIST_ALL_CHECKPOINTS)
    def checkpoints(
        self, call: Call, args: p.DomainListAllCheckpointsArgs
    ) -> p.DomainListAllCheckpointsRet:
        check_flags(call, args.flags, _CHECKPOINT_FLAGS)
        self._driver.find(args.dom)
        return p.DomainListAllCheckpointsRet([], 0)

    @serves(p.DOMAIN_CHECKPOINT_LOOKUP_BY_NAME)
    def checkpoint_by_name(
        self, call: Call, args: p.DomainCheckpointLookupByNameArgs
    ) -> p.DomainCheckpointLookupByNameRet:
        check_flags(call, args.flags, 0)
        self._driver.find(args.dom)
        raise NoDomainCheckpoint(
            f"no domain checkpoint with matching name '{args.name}'", domain=ErrorDomain.QEMU
        )
