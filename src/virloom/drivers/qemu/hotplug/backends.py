# SPDX-License-Identifier: Apache-2.0
"""What stays of a device in QEMU when the guest has let it go: its back ends."""

from __future__ import annotations

from typing import Any

from virloom.drivers.qemu.command.storage_objects import encryption_secret
from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.devices.props.chardev import chardev_id
from virloom.drivers.qemu.devices.props.memory import memory_object_id
from virloom.drivers.qemu.devices.props.net import netdev_id
from virloom.drivers.qemu.devices.props.rng import rng_object_id
from virloom.drivers.qemu.devices.props.storage import cookie_secret_id, tls_object_id
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.steps import Command
from virloom.drivers.qemu.process.resources import alias_of

_PORTS = ("serial", "parallel", "console", "channel", "redirdev")


def leftovers(device: Fragment, runtime: dict[str, Any]) -> list[Command]:
    """The commands that remove the back ends of a device that has gone.

    Args:
        runtime: Of the guest's record.
    """
    alias = alias_of(device.device)
    commands: list[Command] = []
    if device.tag == "disk":
        commands += _nodes(runtime.get("nodes", {}).get(alias), device.device)
    elif device.tag == "interface" and not is_function(device.device):
        commands.append(("netdev_del", {"id": netdev_id(device.device)}))
        if device.device.type == "vhostuser":
            commands.append(("chardev-remove", {"id": chardev_id(alias)}))
    elif device.tag in _PORTS:
        commands.append(("chardev-remove", {"id": chardev_id(alias)}))
    elif device.tag == "filesystem":
        commands.append(("chardev-remove", {"id": f"chr-vu-{alias}"}))
    elif device.tag == "rng":
        commands.append(("object-del", {"id": rng_object_id(alias)}))
        if device.device.backend.model == "egd":
            commands.append(("chardev-remove", {"id": chardev_id(alias)}))
    elif device.tag == "memory":
        commands.append(("object-del", {"id": memory_object_id(device.device)}))
    elif device.tag == "hostdev" and device.device.type == "scsi":
        commands.append(("blockdev-del", {"node-name": f"libvirt-{alias}-backend"}))
    elif device.tag == "shmem":
        if device.device.model.type == "ivshmem-plain":
            commands.append(("object-del", {"id": f"shmmem-{alias}"}))
        else:
            commands.append(("chardev-remove", {"id": chardev_id(alias)}))
    return commands + _sets(alias, runtime)


def _nodes(nodes: Any, disk: Any) -> list[Command]:
    """The block nodes of a disk, the upper ones first."""
    if not nodes:
        return []
    names = [name for layer in nodes["layers"] for name in layer]
    if nodes["top"] and nodes["top"] not in names:
        names.insert(0, nodes["top"])
    commands: list[Command] = [("blockdev-del", {"node-name": name}) for name in names]
    objects = [encryption_secret(name) for name in names] if _is_encrypted(disk) else []
    if disk.type == "network":
        for node in names:
            objects += [f"{node}-auth-secret0", cookie_secret_id(node), tls_object_id(node)]
    return commands + [("object-del", {"id": name}) for name in objects]


def _is_encrypted(disk: Any) -> bool:
    """Whether an image of the disk is, as far as the document tells."""
    if disk.encryption is not None:
        return True
    part = disk
    while part is not None:
        if part.source.encryption is not None:
            return True
        part = part.backing_store
    return False


def _sets(alias: str, runtime: dict[str, Any]) -> list[Command]:
    """The descriptor sets that were made for the device."""
    sets = runtime.get("fdsets", {})
    return [
        ("remove-fd", {"fdset-id": number})
        for key, number in sets.items()
        if key.startswith(f"{alias}.")
    ]


def forget(alias: str, runtime: dict[str, Any]) -> None:
    """Takes the device's nodes and descriptor sets out of the guest's record."""
    runtime.get("nodes", {}).pop(alias, None)
    sets = runtime.get("fdsets", {})
    for key in [key for key in sets if key.startswith(f"{alias}.")]:
        del sets[key]
