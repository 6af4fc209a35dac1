# SPDX-License-Identifier: Apache-2.0
"""What devices of s390 can do: those of channels, and adjunct processors for cryptography."""

from __future__ import annotations

import re

from virloom.drivers.nodedev.tree import SysDevice, SysTree
from virloom.model.nodedev import CapabilityType, ChannelAddress, NestedCapability, NodeCapability

#: ``CSSID.SSID.DEVNO``, in hexadecimal (Documentation/s390/driver-model.rst).
_BUS_ID = re.compile(r"([0-9a-f]+)\.([0-9a-f])\.([0-9a-f]{4})")
_CARD = re.compile(r"card([0-9a-f]{2})")
_QUEUE = re.compile(r"([0-9a-f]{2})\.([0-9a-f]{4})")
#: Of the subchannels, those that lead to a device.
_IO_DRIVERS = ("io_subchannel", "vfio_ccw")


def mdev_types(tree: SysTree, path: str) -> list[NestedCapability]:
    """The kinds of mediated devices that a device can be divided into, as its capability."""
    below = f"{path}/mdev_supported_types"
    types = [
        CapabilityType(
            id=name,
            name=tree.text(f"{below}/{name}", "name"),
            device_api=tree.text(f"{below}/{name}", "device_api"),
            available_instances=tree.number(f"{below}/{name}", "available_instances"),
        )
        for name in tree.names(below)
    ]
    return [NestedCapability(type="mdev_types", types=types)] if types else []


def channel_address(bus_id: str | None) -> ChannelAddress | None:
    """The parts of a device's place; None where it has none."""
    match = _BUS_ID.fullmatch(bus_id or "")
    if match is None:
        return None
    cssid, ssid, devno = (int(part, 16) for part in match.groups())
    return ChannelAddress(cssid=f"0x{cssid:x}", ssid=f"0x{ssid:x}", devno=f"0x{devno:04x}")


def ccw_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='ccw'>``: a device behind a channel."""
    return _at("ccw", device)


def css_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='css'>``: a subchannel; None of those that lead to no device."""
    if tree.link(device.path, "driver") not in _IO_DRIVERS:
        return None
    capability = _at("css", device)
    if capability is not None:
        capability.channel_dev_addr = channel_address(tree.text(device.path, "dev_busid"))
        capability.capabilities = mdev_types(tree, device.path)
    return capability


def _at(kind: str, device: SysDevice) -> NodeCapability | None:
    address = channel_address(device.name)
    if address is None:
        return None
    return NodeCapability(type=kind, cssid=address.cssid, ssid=address.ssid, devno=address.devno)


def card_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='ap_card'>``."""
    match = _CARD.fullmatch(device.name)
    return NodeCapability(type="ap_card", ap_adapter=f"0x{match[1]}") if match else None


def queue_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='ap_queue'>``: a domain of a card."""
    match = _QUEUE.fullmatch(device.name)
    if match is None:
        return None
    adapter, domain = match.groups()
    return NodeCapability(type="ap_queue", ap_adapter=f"0x{adapter}", ap_domain=f"0x{domain}")


def matrix_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='ap_matrix'>``: what adapters and domains are given to guests from."""
    return NodeCapability(type="ap_matrix", capabilities=mdev_types(tree, device.path))
