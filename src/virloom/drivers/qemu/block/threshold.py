# SPDX-License-Identifier: Apache-2.0
"""Who wants to know when an image has been written to beyond a mark.

QEMU (``block-set-write-threshold``) tells it once. A mark that was set for ``vda`` is told for
``vda`` and for the image, as in ``vda[1]``; one that was set for ``vda[1]`` for that alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.block.layers import Layer, layers_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_DEVICE = re.compile(r"([^\[\]]+)(?:\[(\d+)\])?")

#: Key of the record's runtime figures: the images whose marks were set by their number.
_KEY = "marks_by_number"


async def set_threshold(running: RunningGuest, device: str, mark: int) -> None:
    """Sets the mark of a disk's top image, or of the image that is named by its number.

    Args:
        mark: Bytes from the beginning of the image; 0 for none.

    Raises:
        InvalidArg: There is no such image.
        InternalError: There is no medium in the drive, or QEMU refuses.
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise InvalidArg(f"failed to parse block device '{device}'", domain=ErrorDomain.QEMU)
    layer = _layer(running, device, match[1], match[2])
    arguments = {"node-name": layer.storage, "write-threshold": mark}
    await running.execute("block-set-write-threshold", arguments)
    numbers = set(running.record.runtime.get(_KEY, ()))
    numbers = numbers | {layer.number} if match[2] else numbers - {layer.number}
    running.record.runtime[_KEY] = sorted(numbers)
    running.save()


def _layer(running: RunningGuest, device: str, target: str, number: str | None) -> Layer:
    for disk in running.model.devices.disks:
        if disk.target.dev != target:
            continue
        layers = layers_of(running, disk)
        if number is None:
            if not layers:
                raise InternalError(f"disk '{target}' has no medium")
            return layers[0]
        for layer in layers:
            if layer.number == int(number):
                return layer
    raise InvalidArg(f"failed to find disk '{device}'", domain=ErrorDomain.QEMU)


def crossed(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    """QEMU's ``BLOCK_WRITE_THRESHOLD``: a write has gone beyond the mark of a node."""
    found = _written(running, str(data.get("node-name", "")))
    if found is None:
        return
    disk, layer, is_top = found
    figures = int(data["write-threshold"]), int(data["amount-exceeded"])
    target, path = disk.target.dev or "", layer.path or None
    names = [f"{target}[{layer.number}]"]
    if is_top and layer.number not in running.record.runtime.get(_KEY, ()):
        names.insert(0, target)
    for one in names:
        driver.events.emit(DomainEventID.BLOCK_THRESHOLD, running.guest.ref(), one, path, *figures)


def _written(running: RunningGuest, node: str) -> tuple[Disk, Layer, bool] | None:
    for disk in running.model.devices.disks:
        for place, layer in enumerate(layers_of(running, disk)):
            if node in (layer.storage, layer.node):
                return disk, layer, place == 0
    return None
