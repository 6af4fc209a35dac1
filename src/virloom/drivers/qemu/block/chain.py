# SPDX-License-Identifier: Apache-2.0
"""Backing chains: which images stand behind a disk.

QEMU is told every layer of a chain by name and opens none by itself: a guest, or whoever hands in
an image, could otherwise make it open any file by writing a reference into the image. The price
is that the chain must be known before the start; :func:`chain_of` finds it by reading headers.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable
from typing import NamedTuple

from virloom.drivers.runtime.image import (
    Backing,
    ImageHead,
    looks_formatted,
    qcow2_backing,
    read_head,
)
from virloom.errors import ConfigUnsupported, OperationInvalid, StorageProbeFailed, SystemFailure
from virloom.model.domain import BackingStore, Disk, DiskSource

#: libvirt's bound on the length of a chain.
MAX_DEPTH = 200

#: Formats of layers whose references we read; others stand for themselves.
FORMATS = ("raw", "qcow2")
#: Formats of images that have nothing behind them, or whose references QEMU does not follow.
SINGLE_FORMATS = ("vmdk", "vdi", "vpc", "vhd", "qed", "qcow", "bochs", "cloop", "dmg", "ploop")
#: Types of sources that are opened here.
LOCAL_KINDS = ("file", "block")

Reader = Callable[[str], ImageHead]


class ImageLayer(NamedTuple):
    """One image of a chain; the first layer is what the guest writes to.

    Attributes:
        path: Of a local file or block device; empty for other storage.
        format: Of the image.
        block: Whether it is a block device.
        kind: The type of the source: ``file``, ``block``, ``network``, ``nvme``, ``dir``.
        source: What the document says of it, if it does.
    """

    path: str
    format: str
    block: bool = False
    kind: str = "file"
    source: DiskSource | None = None

    @property
    def is_local(self) -> bool:
        """Whether the launcher opens it."""
        return self.kind in LOCAL_KINDS


def chain_of(path: str, image_format: str, read: Reader = read_head) -> tuple[ImageLayer, ...]:
    """The chain that begins with the image at *path*, top first.

    Raises:
        SystemFailure: An image cannot be read (libvirt's code for it, errno in ``int1``).
        StorageProbeFailed: An image is damaged or not what it is declared to be.
        ConfigUnsupported: A format or a kind of reference that we do not open.
        OperationInvalid: A reference without a format, a loop, or more than ``MAX_DEPTH`` layers.
    """
    layers: list[ImageLayer] = []
    seen: set[tuple[int, int]] = set()
    parent = ""
    while True:
        head = _head(path, parent, read)
        if head.identity in seen:
            raise OperationInvalid(
                f"backing chain of '{layers[0].path}' contains itself: "
                f"'{parent}' refers back to '{path}'"
            )
        if len(layers) == MAX_DEPTH:
            raise OperationInvalid(
                f"backing chain of '{layers[0].path}' has more than {MAX_DEPTH} images"
            )
        seen.add(head.identity)
        layers.append(ImageLayer(path, image_format, head.block))
        if image_format == "raw" or image_format in SINGLE_FORMATS:
            return tuple(layers)
        if image_format not in FORMATS:
            raise ConfigUnsupported(
                f"format '{image_format}' of image '{path}' is not supported; known: "
                + ", ".join(FORMATS)
            )
        backing = qcow2_backing(head, path)
        if backing is None:
            return tuple(layers)
        parent = path
        path, image_format = _resolve(backing, parent, read)


def disk_chain(disk: Disk, read: Reader = read_head) -> tuple[ImageLayer, ...]:
    """The images behind *disk*, top first; empty for a drive without a medium.

    A chain that the document spells out (``<backingStore>``) is taken as it stands; where it ends
    without the empty element that says so, the rest is looked up as in :func:`chain_of`. Images
    that are not local end a chain: nothing is looked up in them.

    Raises:
        VirloomError: As :func:`chain_of`.
    """
    top = told_layer(disk.type, disk.source, disk.driver.type)
    if top is None:
        return ()
    store: BackingStore | None = disk.backing_store
    if top.format == "raw" or (store is None and not top.is_local):
        store = None
    layers = [*_looked_up(top, read, last=store is None)]
    while store is not None:
        layer = told_layer(store.type, store.source, store.format.type)
        if layer is None:
            return tuple(layers)
        store = store.backing_store
        layers += _looked_up(layer, read, last=store is None)
        if len(layers) > MAX_DEPTH:
            raise OperationInvalid(f"backing chain has more than {MAX_DEPTH} images")
    return tuple(layers)


def told_layer(kind: str | None, source: DiskSource, form: str | None) -> ImageLayer | None:
    """The image that a document names; None where the element is empty. Nothing is opened."""
    kind = kind or "file"
    image_format = form or "raw"
    if kind == "dir":
        image_format = "raw"
    if kind in LOCAL_KINDS:
        path = source.dev if kind == "block" else source.file
        if not path:
            return None
        return ImageLayer(path, image_format, kind == "block", kind, source)
    return ImageLayer("", image_format, False, kind, source)


def _looked_up(layer: ImageLayer, read: Reader, *, last: bool) -> tuple[ImageLayer, ...]:
    """A layer as the host has it, and what is behind it where the document does not tell."""
    if not layer.is_local:
        return (layer,)
    if not last:
        return (layer._replace(block=read(layer.path).block),)
    first, *others = chain_of(layer.path, layer.format, read)
    return (first._replace(kind=layer.kind, source=layer.source), *others)


def _head(path: str, parent: str, read: Reader) -> ImageHead:
    """Reads an image's head; an error says whose backing image it is."""
    try:
        return read(path)
    except SystemFailure as error:
        if not parent:
            raise
        raise SystemFailure(
            f"{error.detail}, the backing file of '{parent}'",
            domain=error.domain,
            int1=error.int1,
        ) from error


def _resolve(backing: Backing, parent: str, read: Reader) -> tuple[str, str]:
    """Path and format of the image that *parent* names as its backing."""
    reference, image_format = backing
    if reference.startswith("json:"):
        reference, declared = _from_json(reference, parent)
        image_format = declared or image_format
    elif reference.startswith("file:"):
        reference = reference.removeprefix("file:")
    elif is_protocol(reference):
        raise ConfigUnsupported(f"backing file '{reference}' of '{parent}' is not a local file")
    if not os.path.isabs(reference):
        reference = os.path.join(os.path.dirname(parent), reference)
    # Not normalised: "a/../b" is another place than "b" where "a" is a symbolic link.
    return reference, image_format or _unsaid_format(reference, parent, read)


def _unsaid_format(path: str, parent: str, read: Reader) -> str:
    """Raw for what does not look like anything else, as libvirt allows it; never more."""
    if looks_formatted(_head(path, parent, read)):
        raise OperationInvalid(
            f"format of backing image '{path}' of image '{parent}' was not specified in the "
            "image metadata",
            remedy=f"qemu-img rebase -u -b '{path}' -F FORMAT '{parent}'",
        )
    return "raw"


def is_protocol(reference: str) -> bool:
    """QEMU's rule: a colon before the first slash begins a protocol."""
    return ":" in reference.split("/", 1)[0]


def _from_json(reference: str, parent: str) -> tuple[str, str | None]:
    """Path and format of a ``json:`` reference to a local file, nested or dotted."""
    unsupported = ConfigUnsupported(
        f"backing file '{reference}' of '{parent}' is not a plain reference to a local file"
    )
    try:
        top = json.loads(reference.removeprefix("json:"))
    except (ValueError, RecursionError) as error:
        raise StorageProbeFailed(
            f"backing file '{reference}' of '{parent}' is not valid JSON"
        ) from error
    if not isinstance(top, dict):
        raise unsupported
    nested = top.get("file")
    name = top.get("file.filename", top.get("filename"))
    protocol = top.get("file.driver")
    if isinstance(nested, dict):
        name, protocol = nested.get("filename"), nested.get("driver")
    driver = top.get("driver")
    if driver == "file":
        driver = None
    plain = protocol in (None, "file", "host_device") and isinstance(name, str) and name
    if not plain or driver not in (None, *FORMATS) or is_protocol(str(name)):
        raise unsupported
    return str(name), driver
