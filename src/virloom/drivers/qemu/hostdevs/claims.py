# SPDX-License-Identifier: Apache-2.0
"""Which guest has which device of the host: none is given to two of them.

Every driver has this from its beginning, so it imports little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid

Kind = Literal["PCI", "USB", "SCSI", "mediated"]


class HostDevice(NamedTuple):
    """A device of the host.

    Attributes:
        name: As the host calls it: ``0000:01:00.0``, ``001:004``, ``0:0:1:0``, a UUID.
        shared: Several guests may have it, if each of them says so.
    """

    kind: Kind
    name: str
    shared: bool = False

    def __str__(self) -> str:
        return f"{self.kind} device {self.name}"


class Claims:
    """Who has what, of the guests of one driver; VFIO keeps those of others away by itself."""

    def __init__(self) -> None:
        #: Held while devices change hands.
        self.changing = asyncio.Lock()
        self._held: dict[tuple[Kind, str], dict[str, bool]] = {}

    def holder(self, device: HostDevice) -> str | None:
        """The guest that has a device."""
        return next(iter(self._held.get(device[:2], ())), None)

    def check(self, device: HostDevice, guest: str | None = None) -> None:
        """Refuses a device that another guest has.

        Args:
            guest: Who wants it; None: somebody who is no guest.

        Raises:
            OperationInvalid: Says who has it.
        """
        for name, shared in self._held.get(device[:2], {}).items():
            if name != guest and not (shared and device.shared):
                raise OperationInvalid(
                    f"{device} is in use by driver QEMU, domain {name}", domain=ErrorDomain.NONE
                )

    def check_new(self, device: HostDevice, guest: str) -> None:
        """Refuses a device that the guest has already, by whatever name.

        Raises:
            OperationInvalid: It has.
        """
        if guest in self._held.get(device[:2], ()):
            domain = ErrorDomain.SECURITY if device.shared else ErrorDomain.NONE
            raise OperationInvalid(
                f"{device} is in use by driver QEMU, domain {guest}", domain=domain
            )

    def take(self, devices: Iterable[HostDevice], guest: str) -> None:
        """Notes that a guest has these; whoever gives them back calls :meth:`drop`."""
        for device in devices:
            self._held.setdefault(device[:2], {})[guest] = device.shared

    def drop(self, guest: str, only: HostDevice | None = None) -> None:
        """Forgets what a guest had, or that one of it."""
        keys = list(self._held) if only is None else [only[:2]]
        for key in keys:
            holders = self._held.get(key, {})
            holders.pop(guest, None)
            if not holders:
                self._held.pop(key, None)
