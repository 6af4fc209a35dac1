# SPDX-License-Identifier: Apache-2.0
"""Disks: block nodes for every image of the chain, and the device on top."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.drivers.qemu.block.chain import ImageLayer, told_layer
from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.blocknodes import add_chain, image_key, is_writable
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.disk import disk_device, vhost_user_disk
from virloom.drivers.qemu.devices.targets import disk_index
from virloom.errors import InternalError
from virloom.model.domain import Disk, Domain

Chains = Mapping[str, tuple[ImageLayer, ...]]


def disk_alias(disk: Disk) -> str:
    """The disk's alias, which it must have by now."""
    return alias_of(disk, f"disk '{disk.target.dev}'")


def disk_layers(disk: Disk, chains: Chains) -> tuple[ImageLayer, ...]:
    """The images behind *disk*, top first; empty for a drive without a medium.

    Raises:
        InternalError: The chain of an image that may have one was not looked up.
    """
    top = told_layer(disk.type, disk.source, disk.driver.type)
    if top is None or disk.type == "vhostuser":
        return ()
    found = chains.get(disk_alias(disk))
    if found is not None:
        return found
    if top.format == "raw":
        return (top,)
    raise InternalError(f"backing chain of '{top.path}' was not looked up before the start")


def disk_files(dom: Domain, chains: Chains) -> list[FileRequest]:
    """All images of all disks, each with the one access that its node needs."""
    requests: list[FileRequest] = []
    for disk in dom.devices.disks:
        alias = disk_alias(disk)
        for depth, layer in enumerate(disk_layers(disk, chains)):
            if not layer.is_local:
                continue
            access = "rw" if is_writable(disk, depth) else "r"
            key = image_key(alias, depth)
            requests.append(FileRequest(key, layer.path, access, layer.block, image=True))
    return requests


def add_disks(assembly: Assembly) -> None:
    """All disks in the document's order.

    Image numbers are libvirt's: the last disk's image is the first, and within a chain the top
    comes before what is below it; what was only found comes last.
    """
    numbers = _numbers(assembly)
    for disk in assembly.dom.devices.disks:
        alias = disk_alias(disk)
        if disk.type == "vhostuser":
            _add_vhost_user(assembly, disk, alias)
        elif disk.target.bus == "sd":
            _add_card(assembly, disk, alias)
        else:
            _add_disk(assembly, disk, alias, numbers[alias])


def _add_disk(assembly: Assembly, disk: Disk, alias: str, numbers: tuple[int, ...]) -> None:
    layers = disk_layers(disk, assembly.context.chains)
    nodes = add_chain(assembly, disk, alias, layers, numbers)
    assembly.nodes[alias] = nodes
    boot = assembly.boot.get(alias)
    device = disk_device(disk, assembly.dom, assembly.buses, node=nodes.top, boot=boot)
    assembly.args.device(device)


def _add_vhost_user(assembly: Assembly, disk: Disk, alias: str) -> None:
    """A disk that another process serves, to which QEMU connects."""
    source = disk.source
    reconnect = source.reconnect.timeout if source.reconnect.enabled else None
    pairs = (("id", f"chr-vu-{alias}"), ("path", source.path), ("reconnect", reconnect))
    assembly.args.option("chardev", f"socket,{keyval(pairs)}")
    boot = assembly.boot.get(alias)
    assembly.args.device(vhost_user_disk(disk, assembly.buses, boot=boot))


def _add_card(assembly: Assembly, disk: Disk, alias: str) -> None:
    """An SD card, which QEMU knows only by its oldest option."""
    path = assembly.args.fdset(image_key(alias, 0))
    pairs = [("file", path), ("format", disk.driver.type), ("if", "sd")]
    pairs.append(("index", str(disk_index(disk.target.dev))))
    assembly.args.option("drive", keyval(pairs))


def _numbers(assembly: Assembly) -> dict[str, tuple[int, ...]]:
    """The number of each image by alias of its disk, top first.

    The images that the document names come before all those that were found behind them.
    """
    numbers: dict[str, list[int]] = {}
    following = assembly.next_node
    disks = list(reversed(assembly.dom.devices.disks))
    for told in (True, False):
        for disk in disks:
            layers = disk_layers(disk, assembly.context.chains)
            count = sum(1 for layer in layers if (layer.source is not None) is told)
            if told and not layers:
                count = 1  # an empty drive takes a number too, for the medium that may come
            numbers.setdefault(disk_alias(disk), []).extend(range(following, following + count))
            following += count
    assembly.next_node = following
    return {alias: tuple(found) for alias, found in numbers.items()}
