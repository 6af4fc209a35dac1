# SPDX-License-Identifier: Apache-2.0
"""The device nodes of the host that a guest's document asks for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from glob import glob
from typing import NamedTuple

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.attached import tpm_path
from virloom.drivers.qemu.command.hostdev import generic_node
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.devices.props.hostdev import pci_text
from virloom.drivers.qemu.process.resources import alias_of, chardevs
from virloom.errors import VirloomError
from virloom.host.device_nodes import DEV, Node, look_up
from virloom.model.domain import Device, Domain, Hostdev

_VFIO = "/dev/vfio/vfio"


class WantedDevice(NamedTuple):
    """A device of the host.

    Attributes:
        path: Its node, or a link to it.
        given: Whether the node becomes QEMU's own.
        alias: Of the guest's device that it is for; empty for the guest itself.
    """

    path: str
    given: bool = True
    alias: str = ""


def wanted_devices(dom: Domain, chains: Mapping[str, tuple[ImageLayer, ...]]) -> list[WantedDevice]:
    """What a guest's document wants of ``/dev``, in its order and each once.

    Args:
        chains: Backing chain by alias of its disk.
    """
    found: dict[str, WantedDevice] = {}
    for device in _all(dom, chains):
        if device.path.startswith(DEV + "/"):
            found.setdefault(device.path, device)
    return list(found.values())


def _all(dom: Domain, chains: Mapping[str, tuple[ImageLayer, ...]]) -> Iterator[WantedDevice]:
    devices = dom.devices
    for disk in devices.disks:
        layers = chains.get(alias_of(disk), ())
        yield from _given(disk, *(layer.path for layer in layers if layer.is_local))
    for hostdev in passed_on(dom):
        yield from _given(hostdev, *host_paths(hostdev))
    for memory in devices.memories:
        yield from _given(memory, memory.source.path)
    for port in chardevs(dom):
        if port.type in ("dev", "file"):
            yield from _given(port, *(source.path for source in port.sources))
    for tpm in devices.tpms:
        if tpm.backend.type == "passthrough":
            yield from _given(tpm, tpm_path(tpm))
    for graphics in devices.graphics:
        if graphics.gl is not None:
            yield from _given(None, graphics.gl.rendernode)
    for input in devices.inputs:
        yield from _given(input, input.path)
    for rng in devices.rngs:
        if rng.backend.model == "random":
            path = rng.backend.value or "/dev/urandom"
            yield WantedDevice(path, given=False, alias=alias_of(rng))
    yield from _given(None, dom.os.loader.value, dom.os.nvram.value)
    if dom.launch_security is not None and dom.launch_security.type == "sev":
        yield WantedDevice("/dev/sev")


def _given(device: Device | None, *paths: str | None) -> Iterator[WantedDevice]:
    alias = alias_of(device) if device is not None else ""
    return (WantedDevice(path, alias=alias) for path in paths if path)


def host_paths(hostdev: Hostdev) -> list[str]:
    """The nodes that QEMU opens for a device of the host; none for one that is not there."""
    source = hostdev.source
    address = source.address
    match hostdev.type:
        case "pci":
            return _vfio(f"/sys/bus/pci/devices/{pci_text(address)}")
        case "mdev":
            return _vfio(f"/sys/bus/mdev/devices/{address.uuid if address is not None else ''}")
        case "usb":
            if address is not None and address.bus and address.device:
                return [f"/dev/bus/usb/{address.bus:03}/{address.device:03}"]
            return []
        case "scsi" if source.protocol != "iscsi":
            try:
                return [generic_node(hostdev)]
            except VirloomError:
                return []  # who describes it says so
        case "scsi_host":
            return ["/dev/vhost-scsi"]
        case _:
            return []


def read_directories(hostdev: Hostdev, root: str = "/") -> list[str]:
    """The directories of the kernel's tree in which QEMU looks at a device of the host.

    Args:
        root: Where the tree of the host begins.
    """
    address = hostdev.source.address
    match hostdev.type:
        case "pci":
            found = [f"sys/bus/pci/devices/{pci_text(address)}"]
        case "mdev":
            found = [f"sys/bus/mdev/devices/{address.uuid if address is not None else ''}"]
        case "usb":  # libusb looks at all that there are
            found = [
                "sys/bus/usb/devices",
                *sorted(glob("sys/bus/usb/devices/usb*", root_dir=root)),
            ]
        case _:
            found = []
    paths = [os.path.join(root, path) for path in found]
    return [os.path.realpath(path) for path in paths if os.path.isdir(path)]


def _vfio(device: str) -> list[str]:
    try:
        group = os.path.basename(os.readlink(f"{device}/iommu_group"))
    except OSError:
        return []  # QEMU says so
    return [f"/dev/vfio/{group}", _VFIO]


def nodes_of(wanted: Iterable[WantedDevice], owner: tuple[int, int] | None) -> list[Node]:
    """The host's nodes of devices; one that is not there, or no device, has none.

    Args:
        owner: Whose those become that are given; None leaves the host's.
    """
    nodes: dict[str, Node] = {}
    for device in wanted:
        try:
            found = look_up(device.path, owner if device.given else None)
        except (OSError, ValueError):
            continue  # who opens it says so
        nodes |= {node.path: node for node in found}
    return list(nodes.values())
