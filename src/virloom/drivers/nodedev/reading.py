# SPDX-License-Identifier: Apache-2.0
"""The documents of node devices, made of the kernel's tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from virloom.drivers.nodedev.capabilities import READERS, mdev_parent, system_capability
from virloom.drivers.nodedev.mdevctl import Definition, described
from virloom.drivers.nodedev.names import kind_of, name_of
from virloom.drivers.nodedev.tree import SysDevice, SysTree
from virloom.model.nodedev import DeviceNode, NodeDevice, NodeDriver, NodeParent

#: The host itself, and what is above whatever has nothing else above it.
COMPUTER = "computer"


def computer(tree: SysTree) -> NodeDevice:
    """The device that is the host."""
    return NodeDevice(name=COMPUTER, capabilities=[system_capability(tree)])


def read_all(tree: SysTree) -> dict[str, NodeDevice]:
    """All devices, by path; those above before those below. The host has the path ``/``."""
    found = {"/": computer(tree)}
    for device in tree.devices():
        model = read(tree, device, found)
        if model is not None:
            found[device.path] = model
    return found


def read(tree: SysTree, device: SysDevice, above: Mapping[str, NodeDevice]) -> NodeDevice | None:
    """The document of a device; None of one that libvirt does not list.

    Args:
        above: The devices that are known, by path; its parent is the next of them above.
    """
    kind = kind_of(device)
    capability = READERS[kind](tree, device) if kind is not None else None
    if capability is None:
        return None
    more = mdev_parent(device) if kind == "mdev" else None
    if kind == "storage":
        more = capability.serial
    elif kind == "net" and capability.addresses:
        more = capability.addresses[0].text
    model = NodeDevice(name=name_of(device, more), path=f"/sys{device.path}")
    model.devnodes = list(_nodes(device))
    model.parent = NodeParent(name=_parent(device.path, above))
    model.driver = NodeDriver(name=tree.link(device.path, "driver"))
    model.capabilities = [capability]
    return model


def defined_device(definition: Definition, parent: str) -> NodeDevice:
    """The document of a mediated device that is defined, and not there.

    Args:
        parent: The name of what is divided.
    """
    name = re.sub(r"[^0-9A-Za-z]", "_", f"mdev_{definition.uuid}_{definition.parent}")
    model = NodeDevice(name=name)
    model.parent = NodeParent(name=parent)
    model.capabilities = [described(definition)]
    return model


def _nodes(device: SysDevice) -> Iterable[DeviceNode]:
    if device.node is not None:
        yield DeviceNode(type="dev", path=device.node)
    for path in device.links:
        yield DeviceNode(type="link", path=path)


def _parent(path: str, above: Mapping[str, NodeDevice]) -> str:
    while "/" in path.strip("/"):
        path = path.rpartition("/")[0]
        if path in above:
            return above[path].name or COMPUTER
    return COMPUTER
