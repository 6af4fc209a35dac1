# SPDX-License-Identifier: Apache-2.0
"""What disks, SCSI devices and their adapters can do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from virloom.drivers.nodedev.tree import SysDevice, SysTree
from virloom.model.nodedev import CapabilityType, Identity, NestedCapability, NodeCapability

#: The kernel always counts in these.
_SECTOR = 512
#: What udev says instead of a type → the type; that it says so is enough, whatever the value.
_INSTEAD = {"ID_DRIVE_FLOPPY": "floppy", "ID_CDROM": "cd", "ID_DRIVE_FLASH_SD": "sd"}
#: Disks that are known by their names where udev does not tell the type.
_DISKS = ("/dev/vd", "/dev/nvme")
#: The types that are listed, by udev's words, and how they are called.
_LISTED = {"disk": "disk", "cd": "cdrom", "floppy": "floppy", "sd": "sd"}
#: Those whose medium can be another one.
_CHANGING = ("cdrom", "floppy")
#: SCSI peripheral device types (SPC-4, 6.4.2), by libvirt's words.
_SCSI_TYPES: Mapping[int, str] = {
    0: "disk", 1: "tape", 3: "processor", 4: "worm", 5: "cdrom", 6: "scanner", 7: "mod",
    8: "changer", 12: "raid", 13: "enclosure",
}  # fmt: skip


def storage_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='storage'>``; None for what nobody knows to be a disk (loop devices)."""
    node, known, path = device.node, device.properties, device.path
    kind = _LISTED.get(_type(device) or "")
    if node is None or kind is None:
        return None
    capability = NodeCapability(type="storage", block=node, bus=known.get("ID_BUS"))
    capability.drive_type = kind
    capability.model = (tree.line(path, "device/model") or "").rstrip() or None
    maker = (tree.line(path, "device/vendor") or "").rstrip()
    capability.vendor = Identity(text=maker) if maker else None
    capability.serial = known.get("ID_SERIAL")
    if kind not in _CHANGING:
        _add_sizes(tree, path, capability)
    elif tree.number(path, "removable"):
        capability.capabilities = [_medium(tree, device, kind)]
    else:
        capability.size = 0
    return capability


def _type(device: SysDevice) -> str | None:
    """The type in udev's words; of disks of which it tells none, by their names."""
    known, node = device.properties, device.node or ""
    if known.get("ID_TYPE") not in (None, "generic"):
        return known["ID_TYPE"]
    for name, kind in _INSTEAD.items():
        if name in known:
            return kind
    return "disk" if node.startswith(_DISKS) else None


def _add_sizes(tree: SysTree, path: str, capability: NodeCapability) -> None:
    """How much a disk holds, whether it can be taken out or not."""
    blocks, block = tree.number(path, "size"), tree.number(path, "queue/logical_block_size")
    capability.size = (blocks or 0) * _SECTOR
    capability.logical_block_size = block or None
    if block:
        capability.num_blocks = capability.size // block or None


def _medium(tree: SysTree, device: SysDevice, kind: str) -> NestedCapability:
    """What is in a drive, if something is."""
    path, known = device.path, device.properties
    size = (tree.number(path, "size") or 0) * _SECTOR
    told = known.get("ID_CDROM_MEDIA", "0") if kind == "cdrom" else known.get("ID_FS_LABEL", "0")
    there = told != "0"
    medium = NestedCapability(type="removable", media_available=int(there), media_size=0)
    block = tree.number(path, "queue/logical_block_size")
    if there:
        medium.media_size, medium.media_label = size, known.get("ID_FS_LABEL")
    if there and block:
        medium.logical_block_size, medium.num_blocks = block, size // block
    return medium


def scsi_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='scsi'>``."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+):(\d+)", device.name)
    if match is None:
        return None
    host, bus, target, unit = match.groups()
    capability = NodeCapability(type="scsi", host=int(host), bus=bus, target=target, lun=int(unit))
    kind = tree.number(device.path, "type")
    word = _SCSI_TYPES.get(kind) if kind is not None else None
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
    number = tree.number(f"/class/scsi_host/{device.name}", "unique_id")
    capability.unique_id = number if number != -1 else None
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
