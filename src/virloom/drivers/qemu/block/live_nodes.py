# SPDX-License-Identifier: Apache-2.0
"""Images come to a guest that runs, and may be written to or no longer.

QEMU gets each image as a descriptor that can do no more than its node may: an image below the top
is open for reading only. A job that writes to one (a commit into it, or a change of the reference
in its header) first gives it another storage node::

    format node ─ storage (read only)       format node ─ storage (read and write)
                                    ══▶
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.block.layers import (
    Command,
    Layer,
    layers_of,
    name_sets,
    set_key,
    show,
    storage_removal,
)
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.blocknodes import add_storage, format_node, takes_backing
from virloom.drivers.qemu.command.context import BuildContext, FileRequest
from virloom.drivers.qemu.command.storage_objects import encrypted
from virloom.drivers.qemu.hotplug.attach import do_steps
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.hotplug.steps import LiveArguments, Step
from virloom.drivers.qemu.locks.claims import claim_of_layer
from virloom.drivers.qemu.process import resources
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, VirloomError
from virloom.model.domain import Disk, DiskSource
from virloom.model.domain.devices.storage import MetadataCache

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Told of what takes steps back, before QEMU is told of the steps.
Note = Callable[[Sequence[Command]], None]

_SWAPS = "swaps"


class Image(NamedTuple):
    """An image that a disk is to get.

    Attributes:
        kind: The type of its source.
        format: ``raw``, ``qcow2``, ...
        source: What it is.
        cache: How much of its tables is kept in memory.
    """

    kind: str
    format: str
    source: DiskSource
    cache: MetadataCache = MetadataCache()


def next_layer(running: RunningGuest, image: Image) -> Layer:
    """Gives an image the next number, and the names that go with it; nothing is opened."""
    runtime = running.record.runtime
    number = int(runtime.get("next_node", 1))
    runtime["next_node"] = number + 1
    names = (f"libvirt-{number}-format", f"libvirt-{number}-storage")
    return Layer(number, image.kind, image.format, image.source, *names, image.cache)


async def add_storage_node(
    driver: QemuDriver, running: RunningGuest, disk: Disk, layer: Layer, note: Note, *, write: bool
) -> None:
    """Opens the storage of an image, and makes its node.

    Args:
        note: Is given what takes it back, and must have kept it when it returns.
        write: Whether the node may write.

    Raises:
        SystemFailure: The image cannot be opened.
        ResourceBusy: Another guest writes to it.
        ConfigUnsupported: It is of a kind that cannot be had here.
        InternalError: QEMU refuses; nothing is left of it.
    """
    if write:
        await running.leases.add([claim_of_layer(disk, layer)])
    name_sets(running, disk)
    with ExitStack() as opened:
        args = await _describe_storage(driver, running, disk, layer, opened, write=write)
        running.record.runtime["next_fdset"] = args.next_fdset
        running.record.runtime.setdefault("fdsets", {}).update(args.fdsets)
        note([step.undo for step in reversed(args.steps) if step.undo is not None])
        try:
            await do_steps(running, args.steps)
        except VirloomError:
            storage_removal(running, disk, layer.storage)  # of which QEMU has nothing
            raise


async def _describe_storage(
    driver: QemuDriver,
    running: RunningGuest,
    disk: Disk,
    layer: Layer,
    opened: ExitStack,
    *,
    write: bool,
) -> LiveArguments:
    key = set_key(alias_of(disk), layer.storage)
    block = is_block(layer.path) if layer.is_local else False
    files: dict[str, int] = {}
    if layer.is_local:
        access = "rw" if write else "r"
        request = FileRequest(key, layer.path, access, block, image=True)
        files = resources.open_files([request], opened)
    caps = await driver.capabilities.apply(emulator_of(running.model), lambda caps: caps)
    running.require_current()
    context = BuildContext(
        guest_name=running.guest.name,
        monitor_fd=-1,
        lib_dir=running.record.directory,
        files=files,
        tls_dir=str(driver.directories.certificates),
    )
    assembly = Assembly(running.model, caps, context)
    args = LiveArguments(files, {}, int(running.record.runtime.get("next_fdset", 0)))
    assembly.args = args
    path = args.fdset(key) if layer.is_local else ""
    image = layer.image(block=block)
    add_storage(assembly, disk, image, layer.storage, path, writable=write, auth=None)
    if assembly.secrets:
        raise ConfigUnsupported(
            "an image that needs a secret cannot come to a guest that runs",
            domain=ErrorDomain.QEMU,
        )
    return args


def is_block(path: str) -> bool:
    """Whether a path is that of a block device; False where there is nothing."""
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


async def add_format_node(
    running: RunningGuest,
    disk: Disk,
    layer: Layer,
    below: str | None,
    note: Note,
    *,
    write: bool = True,
    below_told: bool = True,
) -> None:
    """Makes the node that knows the image's format, over its storage node.

    Args:
        below: The format node of the next image; None where there is none.
        below_told: Tell QEMU so. A snapshot (``blockdev-snapshot``) puts the next image there.

    Raises:
        ConfigUnsupported: The image is encrypted.
        InternalError: QEMU refuses; the storage node is still there.
    """
    if layer.source.encryption is not None:
        raise ConfigUnsupported(
            "an encrypted image cannot come to a guest that runs", domain=ErrorDomain.QEMU
        )
    props = _format_props(disk, layer, below, write=write, top=write)
    if not below_told:
        # null, not left out: QEMU must never follow the reference in the image itself.
        props.update({"backing": None} if takes_backing(layer.format) else {})
    undo: Command = ("blockdev-del", {"node-name": layer.node})
    note([undo])
    await do_steps(running, [Step("blockdev-add", props, undo)])


def _format_props(
    disk: Disk, layer: Layer, below: str | None, *, write: bool, top: bool
) -> dict[str, object]:
    image = layer.image(block=False)
    props = format_node(
        disk, image, layer.node, layer.storage, writable=write, top=top, cache=layer.cache
    )
    if takes_backing(layer.format):
        props["backing"] = below
    encryption = layer.source.encryption
    if encryption is not None and encryption.engine == "qemu":
        props.update(encrypted(layer.format, layer.node))
    return props


# -- who may write -----------------------------------------------------------------------------


async def set_access(
    driver: QemuDriver, running: RunningGuest, disk: Disk, layer: Layer, *, write: bool
) -> Layer:
    """Gives an image of a running disk a storage node that may write, or one that may not.

    The format node stays read-only; a job makes it writable for itself. A daemon that is killed
    meanwhile leaves a note of both storage nodes, and :func:`settle_swaps` finds out which is used.

    Returns:
        The image as it is now, which the document and the record show.

    Raises:
        SystemFailure: It cannot be opened so.
        ConfigUnsupported: The image is only a part of its storage.
        InternalError: QEMU refuses; all is as before.
    """
    if layer.source.slices.slices:
        raise ConfigUnsupported(
            "what is behind a slice of an image cannot be written to", domain=ErrorDomain.QEMU
        )
    changed = layer._replace(storage=_other_name(layer))
    chain = layers_of(running, disk)
    numbers = [one.number for one in chain]
    behind = chain[numbers.index(layer.number) + 1 :]
    below = behind[0].node if behind else None
    swap = {"disk": alias_of(disk), "number": layer.number, "to": changed.storage}

    def note(undo: Sequence[Command]) -> None:
        running.record.runtime.setdefault(_SWAPS, []).append(swap)
        running.set_document()
        running.save()

    if not write:
        # QEMU leaves the base of a commit that is given up writable, and a writer would keep the
        # other node from the image.
        props = _format_props(disk, layer, below, write=False, top=False)
        await running.execute("blockdev-reopen", {"options": [props]})
    try:
        await add_storage_node(driver, running, disk, changed, note, write=write)
        props = _format_props(disk, changed, below, write=False, top=False)
        reached("before-blockdev-reopen")
        await running.execute("blockdev-reopen", {"options": [props]})
        reached("storage-swapped")
    except VirloomError:
        await _end_swap(running, disk, swap, changed.storage)
        raise
    _put(running, disk, changed)
    await _end_swap(running, disk, swap, layer.storage)
    return changed


async def write_tables(running: RunningGuest, disk: Disk, layer: Layer) -> None:
    """Has the format node of an image write too, whose storage may be written to.

    Raises:
        InternalError: QEMU refuses.
    """
    chain = layers_of(running, disk)
    place = [one.number for one in chain].index(layer.number)
    below = chain[place + 1].node if place + 1 < len(chain) else None
    props = _format_props(disk, layer, below, write=True, top=False)
    await running.execute("blockdev-reopen", {"options": [props]})


def _other_name(layer: Layer) -> str:
    plain = f"libvirt-{layer.number}-storage"
    return f"{plain}-b" if layer.storage == plain else plain


def _put(running: RunningGuest, disk: Disk, changed: Layer) -> None:
    chain = [
        changed if layer.number == changed.number else layer for layer in layers_of(running, disk)
    ]
    show(running, disk, chain)


async def _end_swap(
    running: RunningGuest, disk: Disk, swap: dict[str, object], unused: str
) -> None:
    """Removes the storage node that is not needed, and the note."""
    await take_back(running, storage_removal(running, disk, unused))
    swaps = running.record.runtime.get(_SWAPS, [])
    if swap in swaps:
        swaps.remove(swap)
    if not swaps:
        running.record.runtime.pop(_SWAPS, None)
    running.set_document()
    running.save()


async def settle_swaps(running: RunningGuest) -> None:
    """Finishes or takes back what an earlier owner of the guest was about to exchange."""
    for swap in list(running.record.runtime.get(_SWAPS, ())):
        for disk in running.model.devices.disks:
            if alias_of(disk) == swap["disk"]:
                await _settle_swap(running, disk, swap)


async def _settle_swap(running: RunningGuest, disk: Disk, swap: dict[str, object]) -> None:
    """QEMU refuses to remove the storage node that is used: the other one goes."""
    for layer in layers_of(running, disk):
        if layer.number != swap["number"] or layer.storage == swap["to"]:
            continue
        new = str(swap["to"])
        await take_back(running, [("blockdev-del", {"node-name": new})])
        answer = await running.execute("query-named-block-nodes", {"flat": True})
        if any(node["node-name"] == new for node in answer):
            _put(running, disk, layer._replace(storage=new))
            await _end_swap(running, disk, swap, layer.storage)
        else:
            await _end_swap(running, disk, swap, new)
        return
    await _end_swap(running, disk, swap, _unused(running, disk, swap))


def _unused(running: RunningGuest, disk: Disk, swap: dict[str, object]) -> str:
    """Of a swap that is done, the storage node that may be there still."""
    new, plain = str(swap["to"]), f"libvirt-{swap['number']}-storage"
    return f"{plain}-b" if new == plain else plain
