# SPDX-License-Identifier: Apache-2.0
"""Slots of memory modules."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.domain import Address, Domain

_MODULES = ("dimm", "nvdimm")


def assign_slots(dom: Domain) -> None:
    """Gives every DIMM the first free slot.

    Raises:
        ConfigUnsupported: A slot does not exist, or two are in one; or there are none at all.
        InternalError: No slot is left.
    """
    slots = dom.max_memory.slots or 0
    taken: set[int] = set()
    waiting = []
    for memory in dom.devices.memories:
        if memory.model not in _MODULES:
            continue
        address = memory.address
        if address is None or address.type != "dimm":
            waiting.append(memory)
            continue
        slot = address.slot or 0
        if slot in taken:
            raise ConfigUnsupported(
                f"memory slot {slot} is used by two devices", domain=ErrorDomain.QEMU
            )
        if slot >= slots:
            raise ConfigUnsupported(
                f"memory slot {slot} is beyond the {slots} slots of the guest",
                domain=ErrorDomain.QEMU,
            )
        taken.add(slot)
    if waiting and not slots:
        raise ConfigUnsupported(
            "a guest with memory devices has a <maxMemory> with slots for them",
            domain=ErrorDomain.QEMU,
        )
    for memory in waiting:
        free = next((number for number in range(slots) if number not in taken), None)
        if free is None:
            raise InternalError(
                f"no memory slot is left of the guest's {slots}", domain=ErrorDomain.QEMU
            )
        taken.add(free)
        memory.address = Address(type="dimm", slot=free)
