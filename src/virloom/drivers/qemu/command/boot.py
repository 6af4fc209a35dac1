# SPDX-License-Identifier: Apache-2.0
"""What the guest boots from: order, menu, kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.context import FileRequest
from virloom.model.domain import Disk, Domain, Hostdev, Interface, Redirdev

if TYPE_CHECKING:
    from virloom.drivers.qemu.command.assembly import Assembly

#: ``<boot dev=…>`` by kind of disk.
_DISK_KINDS = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}


def boot_indexes(dom: Domain) -> dict[str, int]:
    """QEMU's boot index by alias of the device.

    A device's own ``<boot order=…>`` wins. Each ``<boot dev=…>`` of the machine goes to the first
    device of its kind that has none.
    """
    wanted = {boot.dev: position for position, boot in enumerate(dom.os.boots, 1)}
    indexes: dict[str, int] = {}
    candidates: list[tuple[Disk | Interface | Hostdev | Redirdev, str]] = [
        (disk, _DISK_KINDS[disk.device or "disk"]) for disk in dom.devices.disks
    ]
    candidates += [(interface, "network") for interface in dom.devices.interfaces]
    candidates += [(hostdev, "") for hostdev in dom.devices.hostdevs]
    candidates += [(redirdev, "") for redirdev in dom.devices.redirdevs]
    for device, kind in candidates:
        order = device.boot.order if device.boot is not None else None
        if order is None:
            order = wanted.pop(kind, None)
        if order is not None and device.alias is not None and device.alias.name:
            indexes[device.alias.name] = order
    return indexes


def boot_files(dom: Domain) -> list[FileRequest]:
    """Kernel, initial RAM disk and device tree."""
    paths = (("kernel", dom.os.kernel), ("initrd", dom.os.initrd), ("dtb", dom.os.dtb))
    return [FileRequest(key, path, "r", reopened=True) for key, path in paths if path]


def add_boot(assembly: Assembly) -> None:
    """``-boot`` and direct kernel boot."""
    os = assembly.dom.os
    menu, bios = os.bootmenu, os.bios
    pairs: list[tuple[str, object]] = []
    if menu.enable is not None:
        pairs.append(("menu", menu.enable))
    if bios.reboot_timeout is not None:
        pairs.append(("reboot-timeout", bios.reboot_timeout))
    if menu.timeout is not None:
        pairs.append(("splash-time", menu.timeout))
    # Strict: never fall back to a device that the document does not name.
    pairs.append(("strict", True))
    assembly.args.option("boot", keyval(pairs))
    # Opened again by QEMU through its own descriptor table: the directories on the way to the
    # file need not be open to QEMU's user, and nobody can exchange the file meanwhile.
    for key, path in (("kernel", os.kernel), ("initrd", os.initrd), ("dtb", os.dtb)):
        if path:
            assembly.args.option(key, assembly.args.inherited(key))
    if os.cmdline:
        assembly.args.option("append", os.cmdline)
