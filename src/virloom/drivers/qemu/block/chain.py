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

from virloom.drivers.qemu.block.image import (
    Backing,
    ImageHead,
    looks_formatted,
    qcow2_backing,
    read_head,
)
from virloom.errors import ConfigUnsupported, OperationInvalid, StorageProbeFailed, SystemFailure
from virloom.model.domain import BackingStore, Disk

#: libvirt's bound on the length of a chain.
MAX_DEPTH = 200

#: Formats of layers; others are refused.
FORMATS = ("raw", "qcow2")

Reader = Callable[[str], ImageHead]


class ImageLayer(NamedTuple):
    """One image of a chain; the first layer is what the guest writes to."""

    path: str
    format: str
    block: bool = False


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
        if image_format == "raw":
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
    without the empty element that says so, the rest is looked up as in :func:`chain_of`.

    Raises:
        VirloomError: As :func:`chain_of`; also for a ``<backingStore>`` that is no local image.
    """
    path = _local(disk.type, disk.source.file, disk.source.dev)
    if path is None:
        return ()
    image_format = disk.driver.type or "raw"
    if image_format == "raw" or disk.backing_store is None:
        return chain_of(path, image_format, read)
    layers = [ImageLayer(path, image_format, read(path).block)]
    store: BackingStore | None = disk.backing_store
    while store is not None:
        path = _local(store.type, store.source.file, store.source.dev)
        if path is None:
            return tuple(layers)
        image_format = store.format.type or "raw"
        store = store.backing_store
        if store is None and image_format != "raw":
            layers += chain_of(path, image_format, read)
        else:
            layers.append(ImageLayer(path, image_format, read(path).block))
        if len(layers) > MAX_DEPTH:
            raise OperationInvalid(f"backing chain has more than {MAX_DEPTH} images")
    return tuple(layers)


def _local(kind: str | None, file: str | None, device: str | None) -> str | None:
    """The path of a local image; None where the element is empty."""
    if kind == "block":
        return device or None
    if kind in (None, "file"):
        return file or None
    raise ConfigUnsupported(f"images of type '{kind}' are not supported yet; known: block, file")


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
    elif _is_protocol(reference):
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


def _is_protocol(reference: str) -> bool:
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
    if not plain or driver not in (None, *FORMATS) or _is_protocol(str(name)):
        raise unsupported
    return str(name), driver
