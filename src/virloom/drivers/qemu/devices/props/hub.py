# SPDX-License-Identifier: Apache-2.0
"""USB hubs."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of
from virloom.model.domain import Hub


def hub_device(hub: Hub, buses: Buses) -> Props:
    """Properties of the hub."""
    alias = alias_of(hub, "hub")
    return {"driver": "usb-hub", "id": alias, **buses.place(hub, alias)}
