# SPDX-License-Identifier: Apache-2.0
"""Disks: block nodes for every image of the chain, and the device on top."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.arguments import Arguments, Props
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import DiskNodes, FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.disk import disk_device
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.domain import Disk, Domain

Chains = Mapping[str, tuple[ImageLayer, ...]]

#: Cache mode to ``direct`` and ``no-flush`` of block nodes (QEMU's ``-drive cache=`` table).
_CACHE = {
    "none": (True, False),
    "writeback": (False, False),
    "writethrough": (False, False),
    "directsync": (True, False),
    "unsafe": (False, True),
}


def disk_source(disk: Disk) -> str | None:
    """Path of the image; None for a drive without a medium.

    Raises:
        ConfigUnsupported: The image is neither a local file nor a block device.
    """
    if disk.type in (None, "file"):
        return disk.source.file or None
    if disk.type == "block":
        return disk.source.dev or None
    raise ConfigUnsupported(f"disk type '{disk.type}' is not supported yet; known: block, file")


def disk_alias(disk: Disk) -> str:
    """The disk's alias, which it must have by now."""
    return alias_of(disk, f"disk '{disk.target.dev}'")


def is_read_only(disk: Disk) -> bool:
    """Whether the guest cannot write to it."""
    return bool(disk.readonly) or disk.device == "cdrom"


def disk_layers(disk: Disk, chains: Chains) -> tuple[ImageLayer, ...]:
    """The images behind *disk*, top first; empty for a drive without a medium.

    Raises:
        InternalError: The chain of an image that may have one was not looked up.
    """
    path = disk_source(disk)
    if path is None:
        return ()
    found = chains.get(disk_alias(disk))
    if found is not None:
        return found
    image_format = disk.driver.type or "raw"
    if image_format == "raw":
        return (ImageLayer(path, "raw", disk.type == "block"),)
    raise InternalError(f"backing chain of '{path}' was not looked up before the start")


def disk_files(dom: Domain, chains: Chains) -> list[FileRequest]:
    """All images of all disks, each with the one access that its node needs."""
    requests: list[FileRequest] = []
    for disk in dom.devices.disks:
        alias = disk_alias(disk)
        for depth, layer in enumerate(disk_layers(disk, chains)):
            access = "rw" if _is_writable(disk, depth) else "r"
            key = image_key(alias, depth)
            requests.append(FileRequest(key, layer.path, access, layer.block, image=True))
    return requests


def add_disks(assembly: Assembly) -> None:
    """All disks in the document's order.

    Image numbers are libvirt's: the last disk's image is the first, and within a chain the top
    comes before what is below it.
    """
    numbers = _numbers(assembly)
    for disk in assembly.dom.devices.disks:
        alias = disk_alias(disk)
        layers = disk_layers(disk, assembly.context.chains)
        nodes = _add_chain(assembly.args, disk, alias, layers, numbers[alias])
        assembly.nodes[alias] = nodes
        device = disk_device(
            disk,
            assembly.dom,
            assembly.buses,
            node=nodes.top,
            boot=assembly.boot.get(alias),
        )
        assembly.args.device(device)


def _numbers(assembly: Assembly) -> dict[str, tuple[int, ...]]:
    """The number of each image by alias of its disk, top first."""
    numbers: dict[str, tuple[int, ...]] = {}
    following = 1
    for disk in reversed(assembly.dom.devices.disks):
        # An empty drive takes a number too, for the medium that may come.
        count = max(1, len(disk_layers(disk, assembly.context.chains)))
        numbers[disk_alias(disk)] = tuple(range(following, following + count))
        following += count
    assembly.next_node = following
    return numbers


def _add_chain(
    args: Arguments,
    disk: Disk,
    alias: str,
    layers: tuple[ImageLayer, ...],
    numbers: tuple[int, ...],
) -> DiskNodes:
    """The block nodes of one disk, the lowest first: a node refers to those before it."""
    names = tuple((f"libvirt-{n}-format", f"libvirt-{n}-storage") for n in numbers[: len(layers)])
    below: str | None = None
    for depth in reversed(range(len(layers))):
        node, storage = names[depth]
        path = args.fdset(image_key(alias, depth))
        args.blockdev(_storage_node(disk, layers[depth], depth, path, storage))
        # Always said, even if there is none: QEMU must never follow an image's own reference.
        backing: Props = {"backing": below}
        if below is None and path == layers[depth].path and not _tells_end(disk):
            backing = {}  # Nobody has looked: the line is only shown.
        format_node = _format_node(disk, layers[depth], node, storage, depth=depth, backing=backing)
        args.blockdev(format_node)
        below = node
    if below is not None and disk.driver.copy_on_read:
        top = f"libvirt-CoR-{disk.target.dev}"
        args.blockdev(
            {"driver": "copy-on-read", "node-name": top, "file": below, "discard": "unmap"}
        )
        below = top
    return DiskNodes(alias, below, names, numbers)


def _storage_node(disk: Disk, layer: ImageLayer, depth: int, path: str, name: str) -> Props:
    """The node that reads and writes the file or block device.

    Never ``auto-read-only`` with descriptors: QEMU would change between two of the set whenever
    a writer comes or goes, and the locks of the one that it leaves stay, because the set keeps it
    open. The next writer (at once with ``usb-storage``) would then find the image locked.
    """
    props: Props = {"driver": "host_device" if layer.block else "file", "filename": path}
    if disk.driver.io not in (None, "default"):
        props["aio"] = disk.driver.io
    props["node-name"] = name
    props.update(_cache(disk))
    if path == layer.path:
        props["auto-read-only"] = True
    else:
        props["read-only"] = not _is_writable(disk, depth)
    props["discard"] = "unmap"
    return props


def _format_node(
    disk: Disk,
    layer: ImageLayer,
    name: str,
    storage: str,
    *,
    depth: int,
    backing: Props,
) -> Props:
    """The node that knows the image's format; *backing* is the property of that name, if any."""
    props: Props = {"node-name": name, "read-only": not _is_writable(disk, depth)}
    driver = disk.driver
    if driver.discard not in (None, "default"):
        props["discard"] = driver.discard
    zeroes = driver.detect_zeroes
    if zeroes == "unmap" and driver.discard != "unmap":
        # Unmapping what may not be discarded is refused by QEMU; detection still helps.
        zeroes = "on"
    if zeroes not in (None, "default") and depth == 0:
        props["detect-zeroes"] = zeroes
    props.update(_cache(disk))
    props.update({"driver": layer.format, "file": storage})
    if layer.format != "raw":
        props.update(backing)
    return props


def _tells_end(disk: Disk) -> bool:
    """Whether the document itself says where the chain ends, by an empty ``<backingStore>``."""
    store = disk.backing_store
    while store is not None:
        if store.type is None and not store.source.file and not store.source.dev:
            return True
        store = store.backing_store
    return False


def _cache(disk: Disk) -> Props:
    mode = disk.driver.cache
    if mode not in _CACHE:
        return {}
    direct, no_flush = _CACHE[mode]
    return {"cache": {"direct": direct, "no-flush": no_flush}}


def _is_writable(disk: Disk, depth: int) -> bool:
    """Whether the guest writes to the image: only ever to the top of the chain."""
    return depth == 0 and not is_read_only(disk)


def image_key(alias: str, depth: int) -> str:
    """The name of an image among the launcher's descriptors."""
    return f"{alias}.image{depth}"
