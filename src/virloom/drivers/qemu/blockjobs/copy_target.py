# SPDX-License-Identifier: Apache-2.0
"""The target of a copy: what it is, whether it is there, and how it is made."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any, NamedTuple

from virloom.drivers.qemu.block.chain import LOCAL_KINDS, chain_of
from virloom.drivers.qemu.block.layers import Layer
from virloom.drivers.qemu.block.live_nodes import Image
from virloom.drivers.qemu.blockjobs.pull import reference_to
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.image import QCOW2_MAGIC, read_head
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg, SystemFailure, system_failure
from virloom.model.domain import BackingStore, Disk, DiskSource

#: Formats that QEMU creates (``BlockdevCreateOptions``), and its names of them.
_CREATED = {
    "qcow2": "qcow2",
    "qcow": "qcow",
    "qed": "qed",
    "vdi": "vdi",
    "vhd": "vhdx",
    "vpc": "vpc",
    "vmdk": "vmdk",
    "ploop": "parallels",
}


class Target(NamedTuple):
    """Where a disk is copied to.

    Attributes:
        images: The copy, and what is behind it that the disk itself has not got.
        shallow: Only the top image is copied.
        shared: What is behind the disk's image is behind the copy too.
        make: The copy is to be made and formatted.
    """

    images: list[Image]
    shallow: bool
    shared: bool
    make: bool


def plan_target(
    disk: Disk, layers: Sequence[Layer], wanted: Disk, shallow: bool, reuse: bool
) -> Target:
    """What a caller asks for.

    Raises:
        SystemFailure: A target that is to be used is not there.
        ConfigUnsupported: One that is to be made is there already.
        InvalidArg: It does not go together with the disk.
    """
    kind, source = wanted.type or "file", wanted.source.copy()
    source.index = None
    shallow = shallow and len(layers) > 1
    if kind in LOCAL_KINDS:
        reuse = _check_local(disk, kind, source, reuse)
    form = _format(kind, source, wanted.driver.type, layers[0].format, reuse)
    if wanted.backing_store is not None and wanted.backing_store.type and not shallow:
        raise InvalidArg(
            "backingStore of mirror without VIR_DOMAIN_BLOCK_COPY_SHALLOW flag doesn't make sense",
            domain=ErrorDomain.QEMU,
        )
    if shallow and form == "raw" and layers[0].format != "raw":
        raise ConfigUnsupported(
            f"shallow copy of disk '{disk.target.dev}' into a raw file is not possible",
            domain=ErrorDomain.QEMU,
        )
    top = Image(kind, form, source, wanted.driver.metadata_cache)
    behind = _behind(top, wanted.backing_store, reuse) if shallow else []
    make = not reuse and (kind == "file" or form != "raw")
    return Target([top, *behind], shallow, shallow and not behind, make)


def _check_local(disk: Disk, kind: str, source: DiskSource, reuse: bool) -> bool:
    """Whether the target is taken as it is: a block device always is."""
    path = source.dev if kind == "block" else source.file
    assert path  # a document without one is not taken
    try:
        found = os.stat(path)
    except FileNotFoundError as exc:
        if not reuse and kind != "block":
            return False
        raise _absent(disk, path, exc) from exc
    except OSError as exc:
        raise _absent(disk, path, exc) from exc
    if stat.S_ISBLK(found.st_mode):
        return True
    if found.st_size and not reuse:
        raise ConfigUnsupported(
            f"external destination file for disk '{disk.target.dev}' already exists and is not a "
            f"block device: '{path}'",
            domain=ErrorDomain.QEMU,
        )
    if kind == "block":
        raise InvalidArg(
            f"blockdev flag requested for disk '{disk.target.dev}', but file '{path}' is not a "
            "block device",
            domain=ErrorDomain.QEMU,
        )
    return reuse


def _absent(disk: Disk, path: str, error: OSError) -> SystemFailure:
    what = f"missing destination file for disk '{disk.target.dev}': '{path}'"
    return system_failure(what, error, domain=ErrorDomain.QEMU)


def _format(kind: str, source: DiskSource, told: str | None, of_disk: str, reuse: bool) -> str:
    if told:
        return told
    if not reuse or kind not in LOCAL_KINDS:
        return of_disk
    # The caller, not a guest, says that this image is to be used: what it begins with counts.
    head = read_head((source.dev if kind == "block" else source.file) or "")
    return "qcow2" if head.data.startswith(QCOW2_MAGIC) else "raw"


def _behind(top: Image, told: BackingStore | None, reuse: bool) -> list[Image]:
    """What is behind a target: as the document tells it, or as its image does."""
    if told is not None and told.type:
        images = []
        while told is not None and told.type:
            form = told.format
            source = told.source.copy()
            images.append(Image(told.type, form.type or "raw", source, form.metadata_cache))
            told = told.backing_store
        return images
    if not reuse or top.kind not in LOCAL_KINDS or told is not None:
        return []
    path = top.source.dev if top.kind == "block" else top.source.file
    found = chain_of(path or "", top.format)
    return [
        Image(
            "block" if layer.block else "file",
            layer.format,
            DiskSource(dev=layer.path) if layer.block else DiskSource(file=layer.path),
        )
        for layer in found[1:]
    ]


def file_to_make(layer: Layer) -> str | None:
    """The file that has to be removed again if the copy comes to nothing."""
    return layer.path if layer.kind == "file" and not os.path.exists(layer.path) else None


def make_file(layer: Layer, size: int) -> None:
    """Makes the file of a new image; a raw one has its size at once.

    Raises:
        SystemFailure: It cannot be made.
    """
    if layer.kind != "file":
        return
    try:
        fd = os.open(layer.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if layer.format == "raw":
                os.ftruncate(fd, size)
        finally:
            os.close(fd)
    except OSError as exc:
        raise system_failure(f"cannot create image '{layer.path}'", exc) from exc


async def creation(
    running: RunningGuest, layers: Sequence[Layer], top: Layer, target: Target
) -> tuple[int, dict[str, Any] | None]:
    """The size that a copy needs, and how QEMU formats it: as the disk's own image is made.

    Raises:
        ConfigUnsupported: Nobody here makes images of that format.
    """
    answer = await running.execute("query-named-block-nodes", {"flat": True})
    image = next(node["image"] for node in answer if node["node-name"] == layers[0].node)
    size = int(image["virtual-size"])
    if top.format == "raw":
        return size, None
    if top.format not in _CREATED:
        raise ConfigUnsupported(
            f"format '{top.format}' of a copy cannot be created", domain=ErrorDomain.QEMU
        )
    driver = _CREATED[top.format]
    options: dict[str, Any] = {"driver": driver, "file": top.storage, "size": size}
    if layers[0].format == top.format == "qcow2" and "cluster-size" in image:
        options["cluster-size"] = int(image["cluster-size"])
    if target.shallow:
        behind = layers[1] if target.shared else None
        options["backing-file"] = (
            reference_to(behind) if behind is not None else _path(target.images[1])
        )
        if driver != "qcow":  # whose images do not say what is behind them
            options["backing-fmt"] = (behind or target.images[1]).format
    return size, options


def _path(image: Image) -> str:
    return image.source.file or image.source.dev or image.source.name or ""
