# SPDX-License-Identifier: Apache-2.0
"""What a device can do, by its kind; those of few words are here, the others have their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from virloom.drivers.nodedev.channels import (
    card_capability,
    ccw_capability,
    css_capability,
    matrix_capability,
    queue_capability,
)
from virloom.drivers.nodedev.pci import pci_capability
from virloom.drivers.nodedev.storage import (
    generic_capability,
    host_capability,
    scsi_capability,
    storage_capability,
    target_capability,
)
from virloom.drivers.nodedev.tree import SysDevice, SysTree
from virloom.host.ethtool import link_features
from virloom.model.nodedev import (
    CapabilityType,
    Hardware,
    Identity,
    IommuGroup,
    Named,
    NestedCapability,
    NetworkLink,
    NodeAddress,
    NodeCapability,
    SystemFirmware,
)

#: The type of a wireless link's capability, and of another's.
_WIRELESS, _WIRED = "80211", "80203"
#: Nodes of a graphics device, by what they begin with. Of the minor numbers each kind has 64,
#: one kind after the other.
_DRM, _DRM_MINORS = {"card": "primary", "control": "control", "render": "render"}, 64
#: The feature before which libvirt names the one that is no question to the link.
_TUNNELS = "txudptnl"
_NO_UUID = "00000000-0000-0000-0000-000000000000"


def system_capability(tree: SysTree) -> NodeCapability:
    """``<capability type='system'>``: the host, as its firmware tells of it."""
    firmware = "/devices/virtual/dmi/id"

    def word(name: str) -> str | None:
        return tree.line(firmware, name) or None

    return NodeCapability(
        type="system",
        product=Identity(text=word("product_name")) if word("product_name") else None,
        hardware=Hardware(
            vendor=word("sys_vendor"),
            version=word("product_version"),
            serial=word("product_serial"),
            uuid=(word("product_uuid") or _NO_UUID).lower(),
        ),
        firmware=SystemFirmware(
            vendor=word("bios_vendor"),
            version=word("bios_version"),
            release_date=word("bios_date"),
        ),
    )


def net_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='net'>``."""
    path, name = device.path, device.name
    address = tree.text(path, "address")
    state = tree.text(path, "operstate")
    link = NetworkLink(state=state)
    speed = tree.number(path, "speed")
    if state == "up" and speed:
        link.speed = speed & 0xFFFFFFFF  # -1, an unknown one, is shown so by libvirt as well
    kind = _WIRELESS if device.properties.get("DEVTYPE") == "wlan" else _WIRED
    return NodeCapability(
        type="net",
        interface=name,
        addresses=[NodeAddress(text=address)] if address else [],
        link=link,
        features=[Named(name=one) for one in _features(tree, device)],
        capabilities=[NestedCapability(type=kind)],
    )


def _features(tree: SysTree, device: SysDevice) -> list[str]:
    """What the link takes off the processor's hands, in libvirt's order."""
    found = link_features(device.name)
    if _has_rdma(tree, device.path):
        at = found.index(_TUNNELS) if _TUNNELS in found else len(found)
        found.insert(at, "rdma")
    return found


def _has_rdma(tree: SysTree, path: str) -> bool:
    """Whether its card also serves remote memory: one of those devices has the same resources."""
    own = tree.data(path, "device/resource")
    others = tree.names("/class/infiniband") if own else []
    return any(tree.data(f"/class/infiniband/{one}", "device/resource") == own for one in others)


def usb_device_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='usb_device'>``."""
    path, known = device.path, device.properties
    numbers = [_hex(tree, path, name) for name in ("idProduct", "idVendor")]
    product = known.get("ID_MODEL_FROM_DATABASE") or tree.line(path, "product")
    maker = known.get("ID_VENDOR_FROM_DATABASE") or tree.line(path, "manufacturer")
    return NodeCapability(
        type="usb_device",
        bus=tree.text(path, "busnum"),
        device=int(tree.text(path, "devnum") or 0),
        product=Identity(id=f"0x{numbers[0]:04x}", text=product or None),
        vendor=Identity(id=f"0x{numbers[1]:04x}", text=maker or None),
    )


def usb_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='usb'>``: one interface of a device."""
    path = device.path
    return NodeCapability(
        type="usb",
        number=_hex(tree, path, "bInterfaceNumber"),
        device_class=str(_hex(tree, path, "bInterfaceClass")),
        subclass=str(_hex(tree, path, "bInterfaceSubClass")),
        protocol=str(_hex(tree, path, "bInterfaceProtocol")),
    )


def _hex(tree: SysTree, path: str, name: str) -> int:
    try:
        return int(tree.text(path, name) or "0", 16)
    except ValueError:
        return 0


def drm_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='drm'>``; None of connectors, which have neither number nor file."""
    minor, file = device.properties.get("MINOR"), (device.node or "").rpartition("/")[2]
    if minor is not None:
        words = list(_DRM.values())[int(minor) // _DRM_MINORS :]
    else:
        words = [word for beginning, word in _DRM.items() if file.startswith(beginning)]
    return NodeCapability(type="drm", types=[CapabilityType(text=words[0])]) if words else None


def mdev_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='mdev'>``."""
    group = tree.link(device.path, "iommu_group")
    return NodeCapability(
        type="mdev",
        types=[CapabilityType(id=tree.link(device.path, "mdev_type"))],
        uuid=device.name,
        parent_addr=mdev_parent(device),
        iommu_group=IommuGroup(number=int(group)) if group and group.isdecimal() else None,
    )


def mdev_parent(device: SysDevice) -> str:
    """The kernel's name of what a mediated device is part of."""
    return device.path.split("/")[-2]


def vdpa_capability(tree: SysTree, device: SysDevice) -> NodeCapability | None:
    """``<capability type='vdpa'>``; None of one whose file for guests is not there."""
    files = [name for name in tree.names(device.path) if name.startswith("vhost-vdpa")]
    node = f"/dev/{files[0]}" if files else None
    if node is not None and not os.path.exists(node):
        return None
    return NodeCapability(type="vdpa", chardev=node)


#: The one who reads each kind; None from it means that the device is not listed.
READERS: Mapping[str, Callable[[SysTree, SysDevice], NodeCapability | None]] = {
    "pci": pci_capability,
    "net": net_capability,
    "usb_device": usb_device_capability,
    "usb": usb_capability,
    "storage": storage_capability,
    "scsi": scsi_capability,
    "scsi_target": target_capability,
    "scsi_host": host_capability,
    "scsi_generic": generic_capability,
    "drm": drm_capability,
    "mdev": mdev_capability,
    "vdpa": vdpa_capability,
    "ccw": ccw_capability,
    "css": css_capability,
    "ap_card": card_capability,
    "ap_queue": queue_capability,
    "ap_matrix": matrix_capability,
}
