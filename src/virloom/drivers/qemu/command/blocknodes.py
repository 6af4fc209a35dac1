# SPDX-License-Identifier: Apache-2.0
"""Block nodes of a disk: for each image one for its storage and one for its format."""

from __future__ import annotations

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.arguments import Props
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import DiskNodes
from virloom.drivers.qemu.command.storage_objects import add_encryption, add_storage_objects
from virloom.drivers.qemu.devices.props.disk import cache_mode
from virloom.drivers.qemu.devices.props.storage import storage_node
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Auth, BackingStore, Disk
from virloom.model.domain.devices.storage import MetadataCache

#: Cache mode to ``direct`` and ``no-flush`` of block nodes (QEMU's ``-drive cache=`` table).
_CACHE = {
    "none": (True, False),
    "writeback": (False, False),
    "writethrough": (False, False),
    "directsync": (True, False),
    "unsafe": (False, True),
}

#: QEMU's names of formats, where they are others than the document's.
_DRIVERS = {"ploop": "parallels", "vhd": "vhdx"}
#: Formats whose images may name another image behind them.
_BACKED = ("qcow2", "qcow", "qed", "vmdk")


def add_chain(
    assembly: Assembly,
    disk: Disk,
    alias: str,
    layers: tuple[ImageLayer, ...],
    numbers: tuple[int, ...],
) -> DiskNodes:
    """The block nodes of one disk, the lowest first: a node refers to those before it.

    Raises:
        ConfigUnsupported: An image of a kind or protocol that QEMU does not have.
    """
    names = tuple((f"libvirt-{n}-format", f"libvirt-{n}-storage") for n in numbers[: len(layers)])
    below: str | None = None
    for depth in reversed(range(len(layers))):
        layer = layers[depth]
        if below is not None and layer.format not in _BACKED:
            raise ConfigUnsupported(
                f"disk '{disk.target.dev}': format '{layer.format}' has nothing behind it",
                domain=ErrorDomain.QEMU,
            )
        below = _add_image(assembly, disk, alias, layer, names[depth], depth=depth, below=below)
    if below is not None and disk.driver.copy_on_read:
        top = f"libvirt-CoR-{disk.target.dev}"
        assembly.args.blockdev(
            {"driver": "copy-on-read", "node-name": top, "file": below, "discard": "unmap"}
        )
        below = top
    return DiskNodes(alias, below, names, numbers)


def _add_image(
    assembly: Assembly,
    disk: Disk,
    alias: str,
    layer: ImageLayer,
    names: tuple[str, str],
    *,
    depth: int,
    below: str | None,
) -> str:
    """The nodes of one image; returns the name of the upper one."""
    args = assembly.args
    node, storage = names
    path = args.fdset(image_key(alias, depth)) if layer.is_local else ""
    writable = is_writable(disk, depth)
    auth = disk.auth if depth == 0 else None
    add_storage(assembly, disk, layer, storage, path, writable=writable, auth=auth)
    file, slice_ = storage, _slice(layer)
    if slice_ and layer.format != "raw":
        file = f"{storage.removesuffix('-storage')}-slice-sto"
        args.blockdev(_slice_node(layer, file, storage, slice_))
        slice_ = {}
    # Always said, even if there is none: QEMU must never follow an image's own reference.
    backing: Props = {"backing": below}
    unseen = assembly.context.standalone and not _tells_end(disk)
    if below is None and unseen:
        backing = {}  # Nobody has looked: the line is only shown.
    cache = disk.driver.metadata_cache if depth == 0 else _told(disk, depth)
    props = format_node(disk, layer, node, file, writable=writable, top=depth == 0, cache=cache)
    if layer.format in _BACKED:
        props.update(backing)
    encryption = layer.source.encryption if layer.source is not None else None
    encryption = encryption or (disk.encryption if depth == 0 else None)
    secret = add_encryption(assembly, encryption, layer.format, node)
    args.blockdev({**props, **secret, **slice_})
    return node


def add_storage(
    assembly: Assembly,
    disk: Disk,
    layer: ImageLayer,
    name: str,
    path: str,
    *,
    writable: bool,
    auth: Auth | None = None,
) -> None:
    """The node *name* of an image's storage, and the objects that it needs.

    Args:
        path: What QEMU opens for a local image.
    """
    extra = add_storage_objects(assembly, layer, name, auth)
    props = _storage_node(disk, layer, path, name, writable=writable)
    assembly.args.blockdev({**props, **extra})


def _storage_node(disk: Disk, layer: ImageLayer, path: str, name: str, *, writable: bool) -> Props:
    """The node that reads and writes the storage.

    Never ``auto-read-only`` with descriptors: QEMU would change between two of the set whenever
    a writer comes or goes, and the locks of the one that it leaves stay, because the set keeps it
    open. The next writer (at once with ``usb-storage``) would then find the image locked.
    """
    if layer.is_local:
        props: Props = {"driver": "host_device" if layer.block else "file", "filename": path}
    else:
        assert layer.source is not None
        floppy = disk.device == "floppy"
        props = storage_node(layer.kind, layer.source, name, floppy=floppy)
    if disk.driver.io not in (None, "default") and layer.is_local:
        props["aio"] = disk.driver.io
    props["node-name"] = name
    props.update(_cache(disk))
    if path == layer.path:
        props["auto-read-only"] = True
    else:
        props["read-only"] = not writable
    props["discard"] = "unmap"
    return props


def _slice(layer: ImageLayer) -> Props:
    slices = layer.source.slices.slices if layer.source is not None else []
    if not slices:
        return {}
    return {"offset": slices[0].offset, "size": slices[0].size}


def _slice_node(layer: ImageLayer, name: str, storage: str, part: Props) -> Props:
    return {
        "driver": "raw",
        "node-name": name,
        **part,
        "file": storage,
        "auto-read-only": True,
        "discard": "unmap",
    }


def format_node(
    disk: Disk,
    layer: ImageLayer,
    name: str,
    storage: str,
    *,
    writable: bool,
    top: bool,
    cache: MetadataCache,
) -> Props:
    """The node that knows the image's format, but for what is behind it and its encryption.

    Args:
        storage: The name of the node below.
        top: Whether the guest's own requests come to it.
        cache: How much of the image's tables it keeps.
    """
    props: Props = {"node-name": name, "read-only": not writable}
    driver = disk.driver
    if driver.discard not in (None, "default"):
        props["discard"] = driver.discard
    zeroes = driver.detect_zeroes
    if zeroes == "unmap" and driver.discard != "unmap":
        # Unmapping what may not be discarded is refused by QEMU; detection still helps.
        zeroes = "on"
    if zeroes not in (None, "default") and top:
        props["detect-zeroes"] = zeroes
    props.update(_cache(disk))
    props["driver"] = _DRIVERS.get(layer.format, layer.format)
    if cache.max_size is not None:
        props["cache-size"] = cache.max_size
    props["file"] = storage
    return props


def takes_backing(image_format: str) -> bool:
    """Whether the node of such an image is told what is behind it."""
    return image_format in _BACKED


def _told(disk: Disk, depth: int) -> MetadataCache:
    """What the document says of the tables of the image at that depth."""
    store: BackingStore | None = disk.backing_store
    for _ in range(depth - 1):
        store = store.backing_store if store is not None else None
    return store.format.metadata_cache if store is not None else MetadataCache()


def _tells_end(disk: Disk) -> bool:
    """Whether the document itself says where the chain ends, by an empty ``<backingStore>``."""
    store = disk.backing_store
    while store is not None:
        if store.type is None:
            return True
        store = store.backing_store
    return False


def _cache(disk: Disk) -> Props:
    mode = cache_mode(disk)
    if mode not in _CACHE:
        return {}
    direct, no_flush = _CACHE[mode]
    return {"cache": {"direct": direct, "no-flush": no_flush}}


def is_writable(disk: Disk, depth: int) -> bool:
    """Whether the guest writes to the image: only ever to the top of the chain."""
    return depth == 0 and not is_read_only(disk)


def image_key(alias: str, depth: int) -> str:
    """The name of an image among the launcher's descriptors."""
    return f"{alias}.image{depth}"


def is_read_only(disk: Disk) -> bool:
    """Whether the guest cannot write to it."""
    return bool(disk.readonly) or disk.device == "cdrom"
