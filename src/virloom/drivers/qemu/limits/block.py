# SPDX-License-Identifier: Apache-2.0
"""Block I/O on the host: a weight, and limits of single devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virloom.drivers.qemu.limits.start import BLOCK_LIMITS
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.host.cgroup.backend import BlockLimit
from virloom.host.cgroup.group import GuestGroups
from virloom.model.domain import BlkioDevice, Blkiotune, Domain

_NAMES: Mapping[str, BlockLimit] = {f"device_{limit}": limit for limit in BLOCK_LIMITS}

KINDS: Mapping[str, str] = {"weight": "uint"} | dict.fromkeys(_NAMES, "string")

#: The greatest weight or number of operations, and of bytes, that a document holds.
_OPERATIONS, _BYTES = 2**32 - 1, 2**64 - 1

#: Limits by device, as one parameter has them.
Devices = Mapping[str, int]


def parsed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with ``PATH,NUMBER,PATH,NUMBER`` taken apart.

    Raises:
        InvalidArg: One cannot be taken apart.
    """
    return {name: value if name == "weight" else _devices(name, value) for name, value in
            values.items()}  # fmt: skip


def _devices(name: str, text: str) -> Devices:
    if not text:
        return {}
    words = text.split(",")
    if len(words) % 2 or not all(words):
        raise InvalidArg(
            f"cannot take '{name}' apart: '{text}' is not PATH,NUMBER,PATH,NUMBER",
            domain=ErrorDomain.DOMAIN,
        )
    return {
        path: _number(name, path, value)
        for path, value in zip(words[::2], words[1::2], strict=True)
    }


def _number(name: str, path: str, text: str) -> int:
    most = _BYTES if "bytes" in name else _OPERATIONS
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > most:
        raise InvalidArg(
            f"'{text}' is no value of '{name}' for '{path}'", domain=ErrorDomain.DOMAIN
        )
    return int(text)


def said_block(dom: Domain) -> dict[str, Any]:
    """What a document says; 0 and nothing for no limit."""
    found: dict[str, Any] = {"weight": dom.blkiotune.weight or 0}
    for name, limit in _NAMES.items():
        pairs = [(device.path, getattr(device, limit)) for device in dom.blkiotune.devices]
        found[name] = ",".join(f"{path},{value}" for path, value in pairs if value)
    return found


def set_block(dom: Domain, values: Mapping[str, Any]) -> None:
    """Changes a document; a device without any limit leaves it."""
    for name, value in values.items():
        if name == "weight":
            dom.blkiotune.weight = value or None
        else:
            for path, number in value.items():
                setattr(_device(dom.blkiotune, path), _NAMES[name], number or None)
    dom.blkiotune.devices = [
        device
        for device in dom.blkiotune.devices
        if any(getattr(device, limit) for limit in BLOCK_LIMITS)
    ]


def _device(tune: Blkiotune, path: str) -> BlkioDevice:
    for device in tune.devices:
        if device.path == path:
            return device
    tune.devices.append(BlkioDevice(path=path))
    return tune.devices[-1]


def present_weight(groups: GuestGroups) -> int:
    """The weight of a running guest.

    Raises:
        OperationInvalid: The host has no such group for it, or no weights.
    """
    place = groups.place("blkio")
    return place.backend.weight(place.directory)


def limit_block(groups: GuestGroups, name: str, value: Any) -> None:
    """Changes one parameter of a running guest.

    Raises:
        OperationInvalid: The host has no weights.
        SystemFailure: It is no block device, or the kernel refuses.
    """
    place = groups.place("blkio")
    if name == "weight":
        place.backend.set_weight(place.directory, value)
        return
    for path, number in value.items():
        place.backend.set_block_limit(place.directory, _NAMES[name], path, number)
