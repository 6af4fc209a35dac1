# SPDX-License-Identifier: Apache-2.0
"""What a PCI device can do."""

from __future__ import annotations

import re

from virloom.drivers.nodedev.channels import mdev_types
from virloom.drivers.nodedev.identifiers import words
from virloom.drivers.nodedev.tree import SysDevice, SysTree
from virloom.drivers.nodedev.vpd import vital_capability
from virloom.model.nodedev import (
    ExpressLink,
    Identity,
    IommuGroup,
    NestedCapability,
    NodeAddress,
    NodeCapability,
    NumaNode,
    PciExpress,
)

_ADDRESS = re.compile(r"([0-9a-f]{4,}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
#: Of the configuration space (PCI Local Bus 3.0, 6.1 and 6.7; PCI Express base 7.8).
_STATUS, _HEADER, _LIST = 0x06, 0x0E, 0x34
_HAS_LIST = 0x10
_BRIDGES = (1, 2)
_EXPRESS = 0x10
_CONVENTIONAL = 256
_INTEGRATED = (0x9, 0xA)
_SPEEDS = ("", "2.5", "5", "8", "16", "32", "64")


def pci_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='pci'>``; None where the kernel's name is no address."""
    match = _ADDRESS.fullmatch(device.name)
    if match is None:
        return None
    path = device.path
    capability = NodeCapability(type="pci")
    capability.device_class = f"0x{int(device.properties['PCI_CLASS'], 16):06x}"
    domain, bus, slot, function = (int(part, 16) for part in match.groups())
    capability.domain, capability.bus = domain, str(bus)
    capability.slot, capability.function = slot, function
    vendor, product = tree.number(path, "vendor") or 0, tree.number(path, "device") or 0
    maker, thing = words(vendor, product)
    capability.product = Identity(id=f"0x{product:04x}", text=thing)
    capability.vendor = Identity(id=f"0x{vendor:04x}", text=maker)
    config = tree.data(path, "config") or b""
    capability.capabilities = [
        *_functions(tree, path), *_bridge(config), *mdev_types(tree, path), *_vital(tree, path)
    ]  # fmt: skip
    capability.iommu_group = _group(tree, path)
    node = tree.number(path, "numa_node")
    if node is not None and node >= 0:
        capability.numa = NumaNode(node=node)
    capability.pci_express = express(config)
    return capability


def address(name: str) -> NodeAddress | None:
    """``<address>`` of the device of a kernel's name."""
    match = _ADDRESS.fullmatch(name)
    if match is None:
        return None
    domain, bus, slot, function = match.groups()
    return NodeAddress(
        domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}"
    )


def _addresses(names: list[str]) -> list[NodeAddress]:
    return [found for found in map(address, names) if found is not None]


def _functions(tree: SysTree, path: str) -> list[NestedCapability]:
    """The function that a virtual one is of; the virtual ones of a real one (SR-IOV)."""
    found = []
    real = tree.link(path, "physfn")
    if real is not None:
        found.append(NestedCapability(type="phys_function", addresses=_addresses([real])))
    most = tree.number(path, "sriov_totalvfs") or 0
    numbers = [name for name in tree.names(path) if re.fullmatch(r"virtfn\d+", name)]
    numbers.sort(key=lambda name: int(name.removeprefix("virtfn")))
    if most or numbers:
        virtual = _addresses([tree.link(path, name) or "" for name in numbers])
        found.append(
            NestedCapability(type="virt_functions", max_count=most or None, addresses=virtual)
        )
    return found


def _bridge(config: bytes) -> list[NestedCapability]:
    if len(config) > _HEADER and config[_HEADER] & 0x7F in _BRIDGES:
        return [NestedCapability(type="pci-bridge")]
    return []


def _vital(tree: SysTree, path: str) -> list[NestedCapability]:
    found = vital_capability(tree.data(path, "vpd") or b"")
    return [found] if found is not None else []


def _group(tree: SysTree, path: str) -> IommuGroup | None:
    number = tree.link(path, "iommu_group")
    if number is None or not number.isdecimal():
        return None
    members = tree.names(f"{path}/iommu_group/devices") or [path.rpartition("/")[2]]
    return IommuGroup(number=int(number), addresses=_addresses(members))


def express(config: bytes) -> PciExpress | None:
    """The link of a PCI Express device: what it can do, and what it does.

    Args:
        config: Its configuration space; others than root see 64 bytes of it, which say nothing.
    """
    at = _find(config, _EXPRESS)
    if at is None or len(config) < at + 0x14:  # only those of PCI Express have more than this
        return PciExpress() if len(config) > _CONVENTIONAL else None
    if config[at + 2] >> 4 & 0xF in _INTEGRATED:  # those of the root complex have no link
        return PciExpress()
    able = int.from_bytes(config[at + 0x0C : at + 0x10], "little")
    now = int.from_bytes(config[at + 0x12 : at + 0x14], "little")
    return PciExpress(
        links=[
            ExpressLink(
                validity="cap", port=able >> 24, speed=_speed(able), width=able >> 4 & 0x3F
            ),
            ExpressLink(validity="sta", speed=_speed(now), width=now >> 4 & 0x3F),
        ]
    )


def _speed(word: int) -> str | None:
    number = word & 0xF
    return (_SPEEDS[number] if number < len(_SPEEDS) else "") or None


def _find(config: bytes, wanted: int) -> int | None:
    """Where the capability of that number begins; a list that loops ends."""
    if len(config) <= _LIST or not config[_STATUS] & _HAS_LIST:
        return None
    at, seen = config[_LIST] & 0xFC, set[int]()
    while at >= 0x40 and at + 1 < len(config) and at not in seen:
        if config[at] == wanted:
            return at
        seen.add(at)
        at = config[at + 1] & 0xFC
    return None
