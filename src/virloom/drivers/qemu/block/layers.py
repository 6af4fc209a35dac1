# SPDX-License-Identifier: Apache-2.0
"""The backing chain of a disk of a guest that runs: what each image is, and QEMU's names of it.

The live document says what the images are (``<source>`` and ``<backingStore>``, with libvirt's
numbers), the guest's record which nodes they have. Both are read and written here together, so
that neither says anything that the other does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.block.chain import LOCAL_KINDS, ImageLayer
from virloom.drivers.qemu.command.blocknodes import image_key
from virloom.drivers.qemu.devices.props.storage import tls_object_id
from virloom.drivers.qemu.process.resources import alias_of
from virloom.model.domain import BackingFormat, BackingStore, Disk, DiskSource
from virloom.model.domain.devices.storage import MetadataCache

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

Command = tuple[str, dict[str, Any]]


class Layer(NamedTuple):
    """One image of a running disk.

    Attributes:
        number: libvirt's number of it, as in ``vda[2]``; never used for another image.
        kind: The type of its source: ``file``, ``block``, ``network``, ...
        format: Of the image.
        source: What it is; without the number.
        node: QEMU's name of the node that knows the format.
        storage: QEMU's name of the node below, which reads and writes.
        cache: How much of the image's tables is kept in memory.
    """

    number: int
    kind: str
    format: str
    source: DiskSource
    node: str
    storage: str
    cache: MetadataCache

    @property
    def path(self) -> str:
        """Of a local image; empty for others."""
        return self.source.file or self.source.dev or ""

    @property
    def is_local(self) -> bool:
        """Whether it is a file or a block device of this host."""
        return self.kind in LOCAL_KINDS

    def image(self, *, block: bool) -> ImageLayer:
        """The same in the form that the nodes are described from."""
        return ImageLayer(self.path, self.format, block, self.kind, self.source)


def layers_of(running: RunningGuest, disk: Disk) -> list[Layer]:
    """The chain of *disk*, top first; empty for a drive without a medium or without nodes."""
    names = running.record.runtime.get("nodes", {}).get(alias_of(disk), {}).get("layers", [])
    if not names or disk.source.index is None:
        return []
    source = _plain(disk.source)
    source.encryption = source.encryption or disk.encryption
    source.auth = source.auth or disk.auth
    cache, form = disk.driver.metadata_cache, disk.driver.type or "raw"
    node, storage = names[0]
    kind = disk.type or "file"
    layers = [Layer(disk.source.index, kind, form, source, node, storage, cache)]
    return layers + _below(disk.backing_store, names[1:])


def root_node(running: RunningGuest, disk: Disk) -> str:
    """The node that the disk's device uses: that of its top image, or the one that fills it."""
    return str(running.record.runtime["nodes"][alias_of(disk)]["top"])


def mirror_layers(disk: Disk, names: Sequence[Sequence[str]]) -> list[Layer]:
    """The images of the copy that ``<mirror>`` shows, top first.

    Args:
        names: Format and storage node of each.
    """
    mirror = disk.mirror
    if mirror is None or mirror.source.index is None:
        return []
    form = mirror.format
    top = Layer(
        mirror.source.index,
        mirror.type or "file",
        form.type or "raw",
        _plain(mirror.source),
        names[0][0],
        names[0][1],
        form.metadata_cache,
    )
    return [top, *_below(mirror.backing_store, names[1:])]


def _below(store: BackingStore | None, names: Sequence[Sequence[str]]) -> list[Layer]:
    layers = []
    for node, storage in names:
        if store is None or store.index is None:
            break
        form = store.format
        layers.append(
            Layer(
                store.index,
                store.type or "file",
                form.type or "raw",
                _plain(store.source),
                node,
                storage,
                form.metadata_cache,
            )
        )
        store = store.backing_store
    return layers


def _plain(source: DiskSource) -> DiskSource:
    made = source.copy()
    made.index = None
    return made


def show(running: RunningGuest, disk: Disk, layers: Sequence[Layer]) -> None:
    """Makes *layers* the chain of *disk*, in the live document and in the record; saves nothing."""
    top = layers[0]
    show_source(disk, top, index=True)
    disk.backing_store = nested(layers[1:])
    alias = alias_of(disk)
    known = running.record.runtime.setdefault("nodes", {}).setdefault(alias, {})
    filtered = str(known.get("top", "")).startswith("libvirt-CoR-")
    known["top"] = known["top"] if filtered else top.node
    known["layers"] = [[layer.node, layer.storage] for layer in layers]


def show_source(disk: Disk, top: Layer, *, index: bool) -> None:
    """Makes *top* what the disk is read from and written to, in a document of either kind."""
    if same_source(disk.source, top.source):
        disk.source.index = top.number if index else None
        return
    # The former image's key and user name are not those of the new one.
    disk.encryption = disk.auth = None
    disk.type = top.kind
    disk.source = top.source.copy()
    disk.source.index = top.number if index else None
    disk.driver.type = top.format
    disk.driver.metadata_cache = top.cache


def same_source(one: DiskSource, other: DiskSource) -> bool:
    """Whether both name one image, by its path or by its name at its hosts."""
    if one.file or one.dev or other.file or other.dev:
        return (one.file or one.dev) == (other.file or other.dev)
    return (one.protocol, one.name, _hosts(one)) == (other.protocol, other.name, _hosts(other))


def _hosts(source: DiskSource) -> list[tuple[Any, ...]]:
    return [(host.name, host.port, host.transport, host.socket) for host in source.hosts]


def nested(layers: Sequence[Layer], *, indexes: bool = True) -> BackingStore:
    """The chain below the top as nested elements; an empty one ends it."""
    store = BackingStore()
    for layer in reversed(layers):
        outer = BackingStore(type=layer.kind, index=layer.number if indexes else None)
        outer.format = BackingFormat(type=layer.format)
        outer.format.metadata_cache = layer.cache
        outer.source = layer.source.copy()
        outer.backing_store = store
        store = outer
    return store


def set_key(alias: str, storage: str) -> str:
    """Under which the record has the descriptor set of a storage node."""
    return f"{alias}.{storage}"


def name_sets(running: RunningGuest, disk: Disk) -> None:
    """Has the record name the descriptor sets of a disk by their nodes, not by their places.

    A start numbers the images by depth, which a chain that changes cannot keep.
    """
    alias, runtime = alias_of(disk), running.record.runtime
    sets = runtime.setdefault("fdsets", {})
    layers = runtime.get("nodes", {}).get(alias, {}).get("layers", [])
    for depth, (_, storage) in enumerate(layers):
        if image_key(alias, depth) in sets:
            sets[set_key(alias, storage)] = sets.pop(image_key(alias, depth))


def removal(running: RunningGuest, disk: Disk, layer: Layer) -> list[Command]:
    """What takes an image that no chain needs any more out of QEMU."""
    name_sets(running, disk)
    commands: list[Command] = [("blockdev-del", {"node-name": layer.node})]
    if layer.source.slices.slices and layer.format != "raw":
        part = f"{layer.storage.removesuffix('-storage')}-slice-sto"
        commands.append(("blockdev-del", {"node-name": part}))
    commands += storage_removal(running, disk, layer.storage)
    if layer.source.tls and layer.source.protocol == "nbd":
        commands.append(("object-del", {"id": tls_object_id(layer.storage)}))
    return commands


def storage_removal(running: RunningGuest, disk: Disk, storage: str) -> list[Command]:
    """The same of a storage node alone; the record forgets its descriptor set."""
    commands: list[Command] = [("blockdev-del", {"node-name": storage})]
    number = running.record.runtime.get("fdsets", {}).pop(set_key(alias_of(disk), storage), None)
    if number is not None:
        commands.append(("remove-fd", {"fdset-id": number}))
    return commands
