# SPDX-License-Identifier: Apache-2.0
"""Memory modules of a guest that runs: where they are, and how much of one the guest uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import includes
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import MemoryDevice

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def show_module(running: RunningGuest, module: MemoryDevice) -> None:
    """Notes what QEMU says of a module: where it is, or how much of it the guest has."""
    alias = alias_of(module)
    answer: Any = await running.execute("query-memory-devices")
    with reading("query-memory-devices"):
        found = [item["data"] for item in answer if item["data"].get("id") == alias]
        for data in found:
            if module.model == "virtio-mem":
                module.target.current = int(data["size"]) // 1024
            elif module.address is not None and module.address.type == "dimm":
                module.address.base = int(data["addr"])


async def update_memory(running: RunningGuest, changed: Fragment) -> None:
    """Asks the guest to use more or less of a virtio-mem module; it takes its time.

    Raises:
        ConfigUnsupported: There is no such module, or another thing of it is to change.
    """
    new: MemoryDevice = changed.device
    module = _module(running, new)
    wanted, new.target.requested = new.target.requested, None
    now, module.target.requested = module.target.requested, None
    new.target.current, current = None, module.target.current
    module.target.current = None
    try:
        same = includes(module, new) and includes(new, module)
    finally:
        module.target.requested, module.target.current = now, current
    if new.model != "virtio-mem" or not same:
        raise _refuse("only what is requested of a virtio-mem module can change")
    if (wanted or 0) > (module.target.size or 0) or (wanted or 0) % (module.target.block or 1):
        raise _refuse(f"{wanted} KiB cannot be requested of the module")
    if wanted == now:
        return
    value = {"property": "requested-size", "value": (wanted or 0) * 1024}
    await running.execute("qom-set", {"path": f"/machine/peripheral/{alias_of(module)}", **value})
    module.target.requested = wanted
    running.set_document()
    running.save()


def _module(running: RunningGuest, new: MemoryDevice) -> MemoryDevice:
    """The module at the same address, as libvirt tells them."""
    alias = new.alias.name if new.alias is not None else None
    for module in running.model.devices.memories:
        if alias is not None and alias_of(module) != alias:
            continue
        if new.address is None or module.address is None:
            continue
        if includes(module.address, new.address):
            return module
    raise _refuse("memory to be updated not found")


def _refuse(text: str) -> ConfigUnsupported:
    return ConfigUnsupported(text, domain=ErrorDomain.QEMU)


def size_changed(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    """The guest uses another part of a module."""
    for module in running.model.devices.memories:
        if alias_of(module) == data.get("id"):
            size = int(data.get("size", 0))
            module.target.current = size // 1024
            running.set_document()
            running.save()
            driver.events.emit(
                DomainEventID.MEMORY_DEVICE_SIZE_CHANGE, running.guest.ref(), alias_of(module), size
            )
