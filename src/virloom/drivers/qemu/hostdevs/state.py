# SPDX-License-Identifier: Apache-2.0
"""Devices of the host, and the state of a guest that has one: nobody can read it from them."""

from __future__ import annotations

from virloom.drivers.qemu.devices.passed import passed_on
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationUnsupported
from virloom.model.domain import Domain


def check_stateless(dom: Domain) -> None:
    """Refuses to keep the state of a guest with devices whose state stays in the host.

    A USB device is plugged in again where the guest goes on, and a card in a team is taken out.

    Raises:
        OperationUnsupported: Says which device.
    """
    for hostdev in passed_on(dom):
        if hostdev.type == "usb" or (hostdev.type == "pci" and hostdev.teaming is not None):
            continue
        raise OperationUnsupported(
            f"the state of a guest with a host device of type '{hostdev.type}' cannot be kept",
            domain=ErrorDomain.QEMU,
            remedy="detach the device first",
        )
