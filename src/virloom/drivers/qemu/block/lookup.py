# SPDX-License-Identifier: Apache-2.0
"""What a caller means: a disk by ``vda`` or its source, an image behind it also by ``vda[2]``."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence

from virloom.drivers.qemu.block.chain import is_protocol
from virloom.drivers.qemu.block.layers import Layer
from virloom.drivers.qemu.process.resources import image_path
from virloom.drivers.runtime.image import qcow2_backing, read_head
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.model.domain import Disk, Domain

_INDEXED = re.compile(r"(.*)\[(\d+)\]")


def find_disk(model: Domain, name: str) -> Disk:
    """The disk with that target or source.

    Raises:
        InvalidArg: There is none.
    """
    for disk in model.devices.disks:
        if name and name in (disk.target.dev, image_path(disk)):
            return disk
    what = f"no disk of the domain has target or source '{name}'"
    raise InvalidArg(what, domain=ErrorDomain.QEMU)


def find_layer(disk: Disk, layers: Sequence[Layer], name: str, above: Layer | None = None) -> Layer:
    """An image of a chain, by its number (``vda[2]``), path, or name as the image above has it.

    Args:
        above: Only what is below this one is meant.

    Raises:
        InvalidArg: There is none; ``vda[2]`` names another disk.
    """
    found = layers if above is None else layers[layers.index(above) + 1 :]
    match = _INDEXED.fullmatch(name)
    if match is not None:
        if match[1] != disk.target.dev:
            raise InvalidArg(
                f"requested target '{match[1]}' does not match target '{disk.target.dev}'",
                domain=ErrorDomain.STORAGE,
            )
        for layer in found:
            if layer.number == int(match[2]):
                return layer
    for layer in found:
        if name in (layer.path, layer.source.name) or _is_relative(layers, layer, name):
            return layer
    top = layers[0].path if layers else disk.target.dev
    raise InvalidArg(
        f"could not find image '{name}' in chain for '{top}'"
        + (f" beneath '{above.path}'" if above is not None else ""),
        domain=ErrorDomain.STORAGE,
    )


def _is_relative(layers: Sequence[Layer], layer: Layer, name: str) -> bool:
    """Whether *name* is how the image above refers to *layer*."""
    place = layers.index(layer)
    return place > 0 and not os.path.isabs(name) and reference_of(layers[place - 1]) == name


def reference_of(layer: Layer) -> str | None:
    """The relative path by which an image refers to the next one; None where it has none.

    Raises:
        VirloomError: The image cannot be read.
    """
    if not layer.is_local or layer.format != "qcow2":
        return None
    backing = qcow2_backing(read_head(layer.path), layer.path)
    if backing is None or os.path.isabs(backing.reference) or is_protocol(backing.reference):
        return None
    return backing.reference


def relative_path(layers: Sequence[Layer], first: Layer, last: Layer) -> str:
    """How the image above *first* would refer to *last*, by the references along the chain.

    Raises:
        OperationInvalid: One of them is not relative.
    """
    path = ""
    numbers = [layer.number for layer in layers]
    for place in range(numbers.index(first.number), numbers.index(last.number) + 1):
        reference = reference_of(layers[place - 1]) if place else None
        if reference is None:
            raise OperationInvalid(
                f"can't keep relative backing relationship: '{layers[place].path}' is not referred "
                "to by a relative path",
                domain=ErrorDomain.QEMU,
            )
        path = os.path.join(os.path.dirname(path), reference)
    return path
