# SPDX-License-Identifier: Apache-2.0
"""Names of devices within one run of a guest, libvirt 9's; QEMU knows devices by them."""

from __future__ import annotations

from collections.abc import Iterable

from virloom.drivers.qemu.devices.address_chipset import is_i440fx, is_q35
from virloom.drivers.qemu.devices.describe import all_devices
from virloom.drivers.qemu.devices.passed import becomes_function, functions
from virloom.drivers.qemu.devices.targets import disk_index
from virloom.model.domain import (
    Alias,
    Console,
    Controller,
    Device,
    Disk,
    Domain,
    MemoryDevice,
)

#: SCSI controllers on whose bus targets have no units.
NARROW_SCSI = ("lsilogic", "am53c974", "dc390", "ncr53c90")


def forget_aliases(dom: Domain) -> None:
    """Leaves only names that the user chose: others are of a run that the document was read in."""
    for device in (*all_devices(dom), *dom.devices.consoles):
        if device.alias is not None and not device.alias.is_users:
            device.alias = None


def assign_aliases(dom: Domain) -> None:
    """Names every device; names that the user chose (``ua-…``) are kept."""
    devices = dom.devices
    for disk in devices.disks:
        _name(disk, disk_alias(dom, disk))
    _number(devices.filesystems, "fs")
    given = functions(dom)  # cards that are devices of the host's, and called so
    cards = devices.interfaces
    to_be_given = [card for card in cards if card.of_functions and card not in given]
    _number((card for card in cards if not becomes_function(card)), "net")
    _number(devices.sounds, "sound")
    for video_number, video in enumerate(devices.videos):
        _name(video, f"video{video_number}")
    for controller in devices.controllers:
        _name(controller, controller_alias(dom, controller))
    _number([*given, *devices.hostdevs, *to_be_given], "hostdev")
    _number(devices.redirdevs, "redir")
    _number(devices.smartcards, "smartcard")
    _number(devices.shmems, "shmem")
    _number(devices.tpms, "tpm")
    _number(devices.vsocks, "vsock")
    _number(devices.iommus, "iommu")
    _number(devices.nvrams, "nvram")
    _name_memories(devices.memories)
    _number(devices.inputs, "input")
    _number(devices.parallels, "parallel")
    _number(devices.serials, "serial")
    _number(devices.channels, "channel")
    _number(devices.hubs, "hub")
    for number, console in enumerate(devices.consoles):
        _name_console(dom, console, number)
    _number(devices.watchdogs, "watchdog")
    if devices.memballoon is not None and devices.memballoon.model != "none":
        _name(devices.memballoon, "balloon0")
    _number(devices.rngs, "rng")
    _number(devices.panics, "panic")


def _name(device: Device, name: str) -> None:
    if device.alias is None or not device.alias.name:
        device.alias = Alias(name=name)


def _number(devices: Iterable[Device], prefix: str) -> None:
    """``net0``, ``net1``, … leaving out numbers that are in use already."""
    listed = list(devices)
    taken = {device.alias.name for device in listed if device.alias is not None}
    following = 0
    for device in listed:
        if device.alias is not None and device.alias.name:
            continue
        while f"{prefix}{following}" in taken:
            following += 1
        _name(device, f"{prefix}{following}")
        following += 1


def _name_memories(memories: list[MemoryDevice]) -> None:
    """``dimm2`` for the module in slot 2, so that it keeps its name in a later run."""
    counted: dict[str, list[MemoryDevice]] = {}
    for memory in memories:
        model, address = (memory.model or "").replace("-", ""), memory.address
        if model in ("dimm", "nvdimm") and address is not None:
            _name(memory, f"{model}{address.slot or 0}")
        else:
            counted.setdefault({"sgxepc": "epc"}.get(model, model), []).append(memory)
    for prefix, group in counted.items():
        _number(group, prefix)


def _name_console(dom: Domain, console: Console, number: int) -> None:
    """The console that mirrors the first serial port bears its name."""
    serials = dom.devices.serials
    if number == 0 and console.target.type == "serial" and serials:
        alias = serials[0].alias
        console.alias = Alias(name=alias.name if alias is not None else None)
        return
    _name(console, f"console{number}")


def controller_alias(dom: Domain, controller: Controller) -> str:
    """``pci.1``, ``usb``, ``ide``, ``scsi0``: QEMU's own names where the machine made it."""
    kind, index = controller.type, controller.index or 0
    machine = dom.os.type.machine
    if kind == "pci":
        if controller.model == "pcie-root":
            return "pcie.0"
        return f"pci.{index}"
    if kind == "ide" and index == 0 and is_i440fx(machine):
        return "ide"
    if kind == "sata" and index == 0 and is_q35(machine):
        return "ide"
    if kind == "usb" and index == 0:
        return "usb"
    return f"{kind}{index}"


def disk_alias(dom: Domain, disk: Disk) -> str:
    """``virtio-disk0`` by the target's number, ``sata0-0-0`` by the place on the controller."""
    bus, address = disk.target.bus, disk.address
    if bus in ("ide", "sata", "scsi", "fdc") and address is not None:
        place = f"{address.controller or 0}-{address.bus or 0}"
        if bus == "scsi" and not _is_narrow(dom, address.controller or 0):
            return f"scsi{place}-{address.target or 0}-{address.unit or 0}"
        return f"{bus}{place}-{address.unit or 0}"
    return f"{bus}-disk{disk_index(disk.target.dev)}"


def _is_narrow(dom: Domain, index: int) -> bool:
    """Whether the SCSI controller has one unit per target, which then has no number of its own."""
    return any(
        c.type == "scsi" and (c.index or 0) == index and c.model in NARROW_SCSI
        for c in dom.devices.controllers
    )
