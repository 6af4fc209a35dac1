# SPDX-License-Identifier: Apache-2.0
"""What disks, SCSI devices and their adapters can do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from virloom.drivers.nodedev.tree import SysDevice, SysTree
from virloom.model.nodedev import CapabilityType, Identity, NestedCapability, NodeCapability

#: The kernel always counts in these.
_SECTOR = 512
#: Disks that are known by their names where udev does not tell the type.
_DISKS = ("/dev/vd", "/dev/pmem", "/dev/md")
#: SCSI peripheral device types (SPC-4, 6.4.2), by libvirt's words.
_SCSI_TYPES: Mapping[int, str] = {
    0: "disk", 1: "tape", 3: "processor", 4: "worm", 5: "cdrom", 6: "scanner", 7: "mod",
    8: "changer", 12: "raid", 13: "enclosure",
}  # fmt: skip


def storage_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='storage'>``; None for what nobody knows to be a disk (loop devices)."""
    node, known, path = device.node, device.properties, device.path
    kind = known.get("ID_TYPE")
    if kind in (None, "generic"):
        kind = "disk" if node is not None and node.startswith(_DISKS) else None
    if node is None or kind is None:
        return None
    capability = NodeCapability(type="storage", block=node, bus=known.get("ID_BUS"))
    if kind == "cd":
        kind = "cdrom"
    capability.drive_type = kind
    capability.model = tree.text(path, "device/model") or None
    maker = tree.text(path, "device/vendor")
    capability.vendor = Identity(text=maker) if maker else None
    capability.serial = known.get("ID_SERIAL")
    _add_sizes(tree, device, capability)
    return capability


def _add_sizes(tree: SysTree, device: SysDevice, capability: NodeCapability) -> None:
    """How much it holds; where the medium can be taken out, whether there is one."""
    path = device.path
    blocks, block = tree.number(path, "size"), tree.number(path, "queue/logical_block_size")
    size = (blocks or 0) * _SECTOR
    if not tree.number(path, "removable") and capability.drive_type == "disk":
        if size and block:
            capability.size, capability.logical_block_size = size, block
            capability.num_blocks = size // block
        return
    there = "ID_CDROM_MEDIA" in device.properties or bool(size)
    medium = NestedCapability(type="removable", media_available=int(there))
    if there:
        medium.media_size = size
        medium.media_label = device.properties.get("ID_FS_LABEL")
    if there and block:
        medium.logical_block_size, medium.num_blocks = block, size // block
    capability.capabilities = [medium]


def scsi_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='scsi'>``."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+):(\d+)", device.name)
    if match is None:
        return None
    host, bus, target, unit = match.groups()
    capability = NodeCapability(type="scsi", host=int(host), bus=bus, target=target, lun=int(unit))
    word = _SCSI_TYPES.get(tree.number(device.path, "type") or 0)
    capability.types = [CapabilityType(text=word)] if word is not None else []
    return capability


def target_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='scsi_target'>``."""
    capability = NodeCapability(type="scsi_target", target=device.name)
    port = device.path.split("/")[-2]
    name = tree.text(f"/class/fc_remote_ports/{port}", "port_name")
    if port.startswith("rport-") and name is not None:
        capability.capabilities = [NestedCapability(type="fc_remote_port", rport=port, wwpn=name)]
    return capability


def host_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='scsi_host'>``, with what a Fibre Channel adapter can."""
    match = re.fullmatch(r"host(\d+)", device.name)
    if match is None:
        return None
    capability = NodeCapability(type="scsi_host", host=int(match[1]))
    capability.unique_id = tree.number(f"/class/scsi_host/{device.name}", "unique_id")
    adapter = f"/class/fc_host/{device.name}"
    if tree.names(adapter):
        names = ("node_name", "port_name", "fabric_name")
        node, port, fabric = (_world_wide(tree.text(adapter, name)) for name in names)
        capability.capabilities.append(
            NestedCapability(type="fc_host", wwnn=node, wwpn=port, fabric_wwn=fabric)
        )
    capability.capabilities += _ports(tree, device.name)
    return capability


def _ports(tree: SysTree, name: str) -> list[NestedCapability]:
    """How many adapters it can have made of it (NPIV), and how many there are."""
    for group in ("fc_host", "scsi_host"):
        most = tree.number(f"/class/{group}/{name}", "max_npiv_vports")
        used = tree.number(f"/class/{group}/{name}", "npiv_vports_inuse")
        if most is not None and used is not None:
            return [NestedCapability(type="vport_ops", max_vports=most, vports=used)]
    return []


def _world_wide(text: str | None) -> str | None:
    return text.removeprefix("0x") if text else None


def generic_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='scsi_generic'>``."""
    return NodeCapability(type="scsi_generic", char=device.node)
