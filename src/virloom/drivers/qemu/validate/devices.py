# SPDX-License-Identifier: Apache-2.0
"""Checks of the devices that have no file of their own, and of names and addresses of all."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.boards import board, is_ccw
from virloom.drivers.qemu.devices.describe import all_devices, describe
from virloom.drivers.qemu.validate.interfaces import check_given_interface, check_interface
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError
from virloom.model.domain import Device, Domain, Input

# Every QEMU for x86 has these, so a start need not ask for the list of all devices.
_USUAL_CARDS = (
    "virtio",
    "virtio-transitional",
    "virtio-non-transitional",
    "e1000",
    "e1000e",
    "rtl8139",
)
_OTHER_CARDS = ("vmxnet3", "pcnet", "ne2k_pci", "ne2k_isa", "i82551", "i82559er", "usb-net")
_MTU_TYPES = ("network", "bridge", "ethernet", "vhostuser", "vdpa", "direct")


def check_given_devices(dom: Domain) -> None:
    """Models, addresses and names as the document has them."""
    devices = dom.devices
    for interface in devices.interfaces:
        check_given_interface(interface)
    for rng in devices.rngs:
        if rng.model is None:
            raise XmlError("a random number device has no model", domain=ErrorDomain.DOMAIN)
        if rng.backend.model is None:
            raise XmlError("a random number device has no backend", domain=ErrorDomain.DOMAIN)
        if rng.backend.model == "egd" and rng.backend.type is None:
            raise XmlError("an EGD backend has no type", domain=ErrorDomain.DOMAIN)
    balloon = devices.memballoon
    if balloon is not None and balloon.model is None:
        raise XmlError("the memory balloon has no model", domain=ErrorDomain.XML)
    if balloon is not None and balloon.model == "xen":
        raise InternalError("QEMU has no memory balloon of model 'xen'", domain=ErrorDomain.DOMAIN)
    if any(watchdog.model is None for watchdog in devices.watchdogs):
        raise InternalError("a watchdog has no model", domain=ErrorDomain.DOMAIN)
    if len(devices.watchdogs) > 1:
        raise InternalError("a guest has at most one watchdog", domain=ErrorDomain.DOMAIN)
    _usb_possible(dom)
    _user_aliases(dom)


def _usb_possible(dom: Domain) -> None:
    controllers = [c for c in dom.devices.controllers if c.type == "usb"]
    if not controllers or any(c.model != "none" for c in controllers):
        return
    devices = dom.devices
    usb: list[Device] = [d for d in devices.inputs if d.bus == "usb" or _is_usb_tablet(d)]
    usb += [d for d in devices.disks if d.target.bus == "usb"]
    usb += devices.hubs
    usb += [d for d in devices.serials if d.target.type == "usb-serial"]
    usb += [d for d in devices.sounds if d.model == "usb"]
    usb += [*devices.redirdevs, *(d for d in devices.hostdevs if d.type == "usb")]
    usb += devices.smartcards
    if usb:
        raise ConfigUnsupported(
            f"{describe(dom, usb[0])} needs USB, which the document turns off",
            domain=ErrorDomain.DOMAIN,
        )


def _is_usb_tablet(device: Input) -> bool:
    return device.bus is None and device.type == "tablet"


def _user_aliases(dom: Domain) -> None:
    seen: set[str] = set()
    for device in all_devices(dom):
        if device.alias is None or not device.alias.is_users:
            continue
        name = str(device.alias.name)
        if name in seen:
            raise ConfigUnsupported(
                f"two devices have the alias '{name}'", domain=ErrorDomain.DOMAIN
            )
        seen.add(name)


def check_devices(dom: Domain) -> None:
    """What x86 machines do not have."""
    devices = dom.devices
    for interface in devices.interfaces:
        check_interface(interface)
        if interface.mtu.size and interface.type not in _MTU_TYPES:
            raise ConfigUnsupported(
                f"an interface of type '{interface.type}' has no MTU of its own",
                domain=ErrorDomain.QEMU,
            )
    models: set[str | None] = set()
    for panic in devices.panics:
        if panic.model in models:
            raise XmlError(
                f"two panic devices have model '{panic.model}'", domain=ErrorDomain.DOMAIN
            )
        models.add(panic.model)
        if panic.model == "hyperv" and panic.address is not None:
            raise ConfigUnsupported(
                "a panic device of model 'hyperv' has no address", domain=ErrorDomain.QEMU
            )
        if panic.model in ("pseries", "s390") and panic.model != board(dom).panic:
            raise ConfigUnsupported(
                f"this machine has no panic device of model '{panic.model}'; it has isa and hyperv",
                domain=ErrorDomain.QEMU,
            )
    for watchdog in devices.watchdogs:
        if watchdog.model == "diag288" and not is_ccw(dom):
            raise ConfigUnsupported(
                "this machine has no watchdog of model 'diag288'; it has i6300esb and ib700",
                domain=ErrorDomain.QEMU,
            )


def _unusual_cards(dom: Domain) -> list[str]:
    models = [interface.model.type or "" for interface in dom.devices.interfaces]
    return [model for model in models if model not in _USUAL_CARDS]


def names_a_card(dom: Domain) -> bool:
    """Whether the document names a network card that not every QEMU has."""
    return bool(_unusual_cards(dom))


def check_cards_start(dom: Domain, caps: BinaryCaps) -> None:
    """That QEMU has the network cards.

    Raises:
        ConfigUnsupported: One does not exist; names those that do.
    """
    for model in _unusual_cards(dom):
        if not caps.may_have_device(model):
            known = [card for card in (*_USUAL_CARDS, *_OTHER_CARDS) if _exists(card, caps)]
            raise ConfigUnsupported(
                f"'{caps.path}' has no network card '{model}'; it has {', '.join(known)}",
                domain=ErrorDomain.QEMU,
            )


def _exists(card: str, caps: BinaryCaps) -> bool:
    return card.startswith("virtio") or caps.may_have_device(card)
