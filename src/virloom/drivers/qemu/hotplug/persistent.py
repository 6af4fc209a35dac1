# SPDX-License-Identifier: Apache-2.0
"""Changes of one device in the persistent document, which the next start will see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import complete
from virloom.drivers.qemu.defaults.interfaces import generated_mac
from virloom.drivers.qemu.devices.controllers import insert_controller
from virloom.drivers.qemu.devices.targets import disk_index
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import CHARDEVS, IN_DOCUMENT, TOLD, find, matches
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationInvalid,
    OperationUnsupported,
)
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver

#: What libvirt 9 adds to a document and takes out of it one by one.
_ATTACHED = frozenset(
    {
        *("disk", "interface", "sound", "hostdev", "lease", "controller", "filesystem", "rng"),
        *("memory", "redirdev", "shmem", "watchdog", "input", "vsock", *CHARDEVS),
    }
)
_UPDATED = frozenset({"disk", "interface", "graphics", "memory"})

#: Kinds of which a guest has only one.
_ONE_OF_A_KIND = ("watchdog", "vsock")


async def changed(driver: QemuDriver, guest: Guest, change: Callable[[Domain], None]) -> Domain:
    """The persistent document as *change* leaves it, completed and checked; nothing is written.

    Raises:
        OperationInvalid: The domain has none any more.
        VirloomError: It would not be one that can be defined.
    """
    if guest.definition is None:
        raise OperationInvalid(
            f"domain '{guest.name}' has no definition any more", domain=ErrorDomain.QEMU
        )
    model = guest.definition.model.copy()
    change(model)
    return await complete(driver, model)


def identify(new: Fragment) -> None:
    """Gives a device what is to be the same in the document and in the guest that runs."""
    if new.tag == "interface" and new.device.mac.address is None:
        new.device.mac.address = generated_mac()


def kind_name(tag: str) -> str:
    """What libvirt calls a device's kind in its messages."""
    return "chr" if tag in CHARDEVS else tag


def _refuse(what: str, tag: str) -> OperationUnsupported:
    return OperationUnsupported(
        f"persistent {what} of device '{kind_name(tag)}' is not supported", domain=ErrorDomain.QEMU
    )


def attach(dom: Domain, new: Fragment) -> None:
    """Adds a device to the document, which is to be completed afterwards.

    Raises:
        OperationUnsupported: No such device is added to a document.
        OperationInvalid: The guest has one in its place.
    """
    if new.tag not in _ATTACHED:
        raise _refuse("attach", new.tag)
    check_indexed(new)
    check_vacant(dom, new)
    check_memory_fits(dom, new)
    add(dom, new)
    _count_memory(dom, new, 1)


def check_indexed(new: Fragment) -> None:
    """Refuses a PCI bus without a number, by which everything on it would be found.

    Raises:
        InternalError: libvirt's code for it.
    """
    if new.tag == "controller" and new.device.type == "pci" and new.device.index is None:
        raise InternalError("a PCI controller to be added needs an index", domain=ErrorDomain.QEMU)


def check_vacant(dom: Domain, new: Fragment) -> None:
    """Refuses a device whose name or place is taken.

    Raises:
        OperationInvalid: Which one is there.
    """
    device, among = new.device, new.among(dom)
    taken = ""
    if new.tag == "disk" and any(other.target.dev == device.target.dev for other in among):
        taken = f"target {device.target.dev}"
    elif new.tag == "controller" and device.index is not None:
        taken = f"controller index='{device.index}'" if _matched(new, among) else ""
    elif new.tag in ("hostdev", "lease", "filesystem", "shmem"):
        taken = f"{new.tag} device" if _matched(new, among) else ""
    elif new.tag in CHARDEVS:
        taken = "chardev" if any(_is_same_port(new, other) for other in among) else ""
    elif new.tag in _ONE_OF_A_KIND:
        taken = f"{new.tag} device" if among else ""
    if taken:
        raise OperationInvalid(f"{taken} already exists", domain=ErrorDomain.QEMU)


def check_memory_fits(dom: Domain, new: Fragment) -> None:
    """Refuses a module that makes more memory than the guest can have.

    Raises:
        ConfigUnsupported: libvirt's code for it.
    """
    if new.tag != "memory" or dom.max_memory.value is None:
        return
    size = new.device.target.size or 0
    if (dom.memory or 0) + size > dom.max_memory.value:
        raise ConfigUnsupported(
            f"a module of {size} KiB exceeds the domain's maxMemory of {dom.max_memory.value} KiB",
            domain=ErrorDomain.DOMAIN,
        )


def _is_same_port(new: Fragment, other: Any) -> bool:
    """Whether the guest would see two ports by the same name or number."""
    target, has = new.device.target, other.target
    if new.tag == "channel" and target.name is not None:
        return bool(target.name == has.name)
    return target.port is not None and (target.type, target.port) == (has.type, has.port)


def _matched(new: Fragment, among: list[Any]) -> bool:
    return any(matches(new, other) for other in among)


def add(dom: Domain, new: Fragment) -> None:
    """Puts the device where libvirt has it."""
    if new.tag == "controller":
        if new.device.index is None:
            used = [other.index or 0 for other in new.among(dom) if other.type == new.device.type]
            new.device.index = max(used, default=-1) + 1
        insert_controller(dom, new.device)
    elif new.single:
        setattr(dom.devices, new.field, new.device)
    else:
        new.among(dom).append(new.device)


def detach(dom: Domain, wanted: Fragment) -> None:
    """Takes a device out of the document.

    Raises:
        OperationUnsupported: No such device is taken out.
        DeviceMissing: There is none.
    """
    if wanted.tag not in _ATTACHED:
        raise _refuse("detach", wanted.tag)
    wanted = wanted.copy()
    forget_alias(wanted)
    among = wanted.among(dom)
    if wanted.tag == "watchdog" and among:  # libvirt takes the one that is there
        found = wanted.of(among[0])
    else:
        found = wanted.of(find(dom, wanted, IN_DOCUMENT))
    found.remove(dom, found.device)
    _count_memory(dom, found, -1)


def forget_alias(device: Fragment) -> None:
    """Takes away an alias that is no user's: only a guest that runs has such, no document."""
    alias = getattr(device.device, "alias", None)  # displays and leases have none
    if alias is not None and not alias.is_users:
        device.device.alias = None


def _count_memory(dom: Domain, device: Fragment, sign: int) -> None:
    """What the guest is to have follows what it can have, as its modules come and go."""
    if device.tag == "memory" and dom.current_memory is not None:
        dom.current_memory += sign * (device.device.target.size or 0)


def update(dom: Domain, changed: Fragment) -> None:
    """Puts a device in another one's place.

    Raises:
        OperationUnsupported: No such device is updated.
        InvalidArg: There is none to be updated.
        DeviceMissing: The same, of a network card.
        OperationFailed: Several network cards fit.
    """
    if changed.tag not in _UPDATED:
        raise _refuse("update", changed.tag)
    forget_alias(changed)
    among = changed.among(dom)
    if changed.tag == "interface":
        card = find(dom, changed, IN_DOCUMENT)
        _keep_place(card, changed.device, changed.tag)
        among[[item is card for item in among].index(True)] = changed.device
        return
    for number, device in enumerate(among):
        if _is_updated_by(device, changed):
            _keep_place(device, changed.device, changed.tag)
            among[number] = changed.device
            return
    raise InvalidArg(
        f"{changed.tag} to be updated is not present {IN_DOCUMENT}", domain=ErrorDomain.QEMU
    )


def _is_updated_by(device: Any, changed: Fragment) -> bool:
    if changed.tag == "memory":
        asked = changed.device
        if asked.address is None or device.address is None:
            return False  # libvirt 9 tells modules by their slots
        return bool(asked.address.slot == device.address.slot)
    return matches(changed, device)


def _keep_place(device: Any, changed: Any, tag: str) -> None:
    """What the new document leaves out of where the device is stays as it was."""
    lasting = tag != "disk" or _bus(changed) == _bus(device)
    if tag == "interface" and device.address is not None:
        lasting = device.address.type in TOLD
    if tag != "graphics" and changed.address is None and lasting:
        changed.address = device.address
    if tag == "interface":
        changed.mac.address = changed.mac.address or device.mac.address


def _bus(disk: Any) -> tuple[str | None, int]:
    return disk.target.bus, disk_index(disk.target.dev)
