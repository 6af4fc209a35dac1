# SPDX-License-Identifier: Apache-2.0
"""Memory of which a guest takes as much as it is asked to: virtio-mem.

What the balloon tells is without it; what a document says of the present is with what the guest
has taken of it.
"""

from __future__ import annotations

from typing import Any

from virloom.drivers.qemu.hotplug.matching import includes
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.validate.memory_devices import (
    check_given_memory_devices,
    check_memory_devices,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain, MemoryDevice
from virloom.xml.element import Element

_MODEL = "virtio-mem"


def flexible(dom: Domain) -> list[MemoryDevice]:
    """The devices."""
    return [memory for memory in dom.devices.memories if memory.model == _MODEL]


def at_most(dom: Domain) -> int:
    """KiB that the guest could take of it."""
    return sum(memory.target.size or 0 for memory in flexible(dom))


def taken(dom: Domain) -> int:
    """KiB that the guest has taken of it."""
    return sum(memory.target.current or 0 for memory in flexible(dom))


def note_size(dom: Domain, alias: str, size: int) -> int | None:
    """Writes into a live document how much the guest has taken of a device.

    Args:
        size: Bytes.

    Returns:
        The size in KiB; None if there is no such device.
    """
    kib = -(-size // 1024)
    for memory in flexible(dom):
        if alias_of(memory) == alias:
            before, memory.target.current = memory.target.current or 0, kib
            dom.current_memory = (dom.current_memory or 0) + kib - before
            return kib
    return None


async def catch_up(running: RunningGuest) -> None:
    """Asks QEMU how much the guest has taken.

    Raises:
        VirloomError: It does not answer.
    """
    if not flexible(running.model):
        return
    try:
        answer = await running.execute("query-memory-devices")
    except QmpError:
        return
    for device in answer:
        data = device.get("data", {})
        if device.get("type") == _MODEL and "id" in data:
            note_size(running.model, str(data["id"]), int(data["size"]))


async def resize(running: RunningGuest, changed: MemoryDevice) -> None:
    """Asks the guest to take more or less; it does so in its own time.

    Raises:
        ConfigUnsupported: There is no such device, or more than that is changed.
        XmlDetail: There can be no such device.
        InternalError: QEMU refuses.
    """
    model = running.model
    alone = model.beside(devices=model.devices.beside(memories=[changed]))
    check_given_memory_devices(alone)
    check_memory_devices(alone)
    memory = _found(model, changed)
    _check_rest(memory, changed)
    alias = alias_of(memory)
    requested = changed.target.requested or 0
    arguments = {
        "path": f"/machine/peripheral/{alias}",
        "property": "requested-size",
        "value": requested * 1024,
    }
    await running.execute("qom-set", arguments)
    memory.target.requested = requested
    running.set_document()
    running.save()


def _found(dom: Domain, changed: MemoryDevice) -> MemoryDevice:
    """The device that is meant: by its address, and by its alias if one is given."""
    for memory in dom.devices.memories:
        same_alias = changed.alias is None or changed.alias.name == alias_of(memory)
        if same_alias and _same(memory.address, changed.address):
            return memory
    raise ConfigUnsupported("memory to be updated not found", domain=ErrorDomain.QEMU)


def _same(one: Element | None, other: Element | None) -> bool:
    """Whether both say the same."""
    if one is None or other is None:
        return False
    return includes(one, other) and includes(other, one)


def _check_rest(memory: MemoryDevice, changed: MemoryDevice) -> None:
    """Whether nothing but the request differs."""
    pairs: list[tuple[str, Any, Any]] = [
        ("model", memory.model, changed.model),
        ("access", memory.access, changed.access),
        ("discard", memory.discard, changed.discard),
        ("size", memory.target.size, changed.target.size),
        ("guest node", memory.target.node, changed.target.node),
        ("block size", memory.target.block, changed.target.block),
    ]
    if not _same(memory.source, changed.source):
        pairs.append(("source", "the one that it has", "another"))
    for what, now, wanted in pairs:
        if now != wanted:
            raise ConfigUnsupported(
                f"the {what} of memory cannot be changed from '{now}' to '{wanted}' while the "
                "guest runs",
                domain=ErrorDomain.QEMU,
            )
    if memory.model != _MODEL:
        raise ConfigUnsupported(
            f"memory of model '{memory.model}' is not changed while the guest runs",
            domain=ErrorDomain.QEMU,
        )
