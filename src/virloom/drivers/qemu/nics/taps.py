# SPDX-License-Identifier: Apache-2.0
"""Taps of a guest's network cards: made, put on their bridge, and handed to QEMU.

A tap lasts as long as QEMU has it open: it needs no undoing, whoever ends the guest and however.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterable
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from virloom.drivers.qemu.command.net import tap_key
from virloom.drivers.qemu.devices.props.net import TAPS
from virloom.drivers.qemu.nics.names import PREFIX, TapNames
from virloom.drivers.qemu.nics.vlans import give_vlans
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.host import links, taps
from virloom.host.ethtool import set_received_frames
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The first byte of a tap's address, which is its guest's otherwise: a bridge takes the lowest
#: address of its ports, and must not take a guest's.
_FIRST = "fe"


def open_taps(
    names: TapNames,
    interfaces: Iterable[Interface],
    opened: ExitStack,
    announced: Container[str] = (),
) -> dict[str, int]:
    """Makes the tap of each interface that has one, and notes its name in the interface.

    Args:
        opened: Closes our copies.
        announced: Hardware addresses that the bridge is told of, instead of learning them.

    Returns:
        The descriptors, by the keys of the command line.

    Raises:
        SystemFailure: One cannot be made, or there is no such bridge.
        ConfigUnsupported: A bridge cannot do what is asked of its port.
    """
    files: dict[str, int] = {}
    for interface in interfaces:
        if interface.type in TAPS and interface.type != "direct":
            fds = _open(names, interface)
            for fd in fds:
                opened.callback(os.close, fd)
            _set_up(interface)
            if interface.mac.address in announced:
                announce(interface)
            keys = (tap_key(alias_of(interface), number) for number in range(len(fds)))
            files.update(zip(keys, fds, strict=True))
    return files


def queues_of(interface: Interface) -> int:
    """How many queues a card has in each direction."""
    return max(1, interface.driver.queues or 1) if is_virtio(interface) else 1


def is_virtio(interface: Interface) -> bool:
    """Whether the card's packets have the header of virtio."""
    return (interface.model.type or "").startswith("virtio")


def _open(names: TapNames, interface: Interface) -> list[int]:
    asked, device = interface.target.dev, interface.backend.tap or taps.DEVICE
    new = not _is_brought(interface)
    if not new and not links.exists(asked or ""):
        raise InternalError(
            f"there is no link '{asked}', which <target managed='no'> says there is",
            domain=ErrorDomain.QEMU,
        )
    if not os.path.exists(device):
        raise system_failure(
            f"Unable to open {device}, is tun module loaded?",
            OSError(errno.ENOENT, os.strerror(errno.ENOENT)),
            domain=ErrorDomain.NONE,
        )
    given = asked is not None and not asked.startswith(PREFIX)
    while True:
        name = asked if given and asked is not None else names.next()
        with doing(f"Unable to create tap device {name}"):
            try:
                made, fds = taps.open_tap(
                    name,
                    queues_of(interface),
                    header=is_virtio(interface),
                    new=new,
                    device=device,
                )
            except OSError as exc:
                if exc.errno == errno.EBUSY and not given:
                    continue  # somebody else's
                raise
        interface.target.dev = made
        return fds


def _set_up(interface: Interface) -> None:
    name, bridge = interface.target.dev or "", interface.source.bridge
    if _is_brought(interface):
        return
    with doing(f"Cannot get interface MTU on '{bridge}'"):
        mtu = interface.mtu.size or (taps.mtu_of(bridge) if bridge else None)
    with doing(f"cannot set up the tap '{name}'"):
        taps.set_address(name, f"{_FIRST}{(interface.mac.address or '')[2:]}")
        if mtu:
            taps.set_mtu(name, mtu)
    if bridge and interface.type != "ethernet" and not is_on_openvswitch(interface):
        join(interface, bridge)
    _coalesce(interface)
    with doing(f"cannot have the tap '{name}' carry packets"):
        taps.set_up(name)


def _is_brought(interface: Interface) -> bool:
    """Whether the tap is somebody's, who has made it to last and set it up."""
    return interface.type == "ethernet" and interface.target.managed is False


def _coalesce(interface: Interface) -> None:
    if interface.coalesce is None or interface.coalesce.rx.frames.max is None:
        return
    name, frames = interface.target.dev or "", interface.coalesce.rx.frames.max
    with doing(f"Cannot set coalesce info on '{name}'"):
        interface.coalesce.rx.frames.max = set_received_frames(name, frames)


def gather(interface: Interface) -> None:
    """Has a card's tap that is at work gather as many frames as its document says, or none.

    Raises:
        SystemFailure: The kernel would not.
    """
    if interface.coalesce is not None:
        _coalesce(interface)
        return
    name = interface.target.dev or ""
    with doing(f"Cannot set coalesce info on '{name}'"):
        set_received_frames(name, 0)


def announce(interface: Interface) -> None:
    """Tells the bridge of the guest's address, which it does not learn then.

    Raises:
        SystemFailure: The kernel would not, or the tap is on none.
    """
    name = interface.target.dev or ""
    with doing(f"cannot tell the bridge of the guest's address behind '{name}'"):
        links.set_port_option(name, "learning", False)
        links.set_port_option(name, "unicast_flood", False)
        links.add_bridge_entry(name, interface.mac.address or "")


def join(interface: Interface, bridge: str) -> None:
    """Makes the interface's tap a port of *bridge*.

    Raises:
        SystemFailure: There is no such bridge.
        ConfigUnsupported: It cannot keep ports apart, or knows no VLANs.
    """
    name = interface.target.dev or ""
    with doing(f"Unable to add bridge {bridge} port {name}"):
        taps.add_to_bridge(bridge, name)
    if interface.vlan is not None and interface.vlan.tags:
        with doing(f"cannot set the VLANs of '{name}'"):
            give_vlans(interface, bridge)
    if interface.port.isolated:
        try:
            links.set_port_option(name, "isolated", True)
        except OSError as exc:
            raise ConfigUnsupported(
                f"the bridge '{bridge}' cannot keep its ports from each other: {exc.strerror}",
                domain=ErrorDomain.QEMU,
            ) from exc


def leave(interface: Interface) -> None:
    """Takes the interface's tap off its bridge, if it is on one.

    Raises:
        SystemFailure: The kernel would not.
    """
    name = interface.target.dev or ""
    bridge = links.bridge_of(name)
    if bridge is not None:
        with doing(f"cannot take {name} off the bridge {bridge}"):
            taps.remove_from_bridge(bridge, name)


@contextmanager
def doing(what: str, domain: ErrorDomain = ErrorDomain.NONE) -> Iterator[None]:
    """Errors of the kernel within the ``with`` statement are said to be of *what*.

    Args:
        domain: Of the error, libvirt's.

    Raises:
        SystemFailure: There was one.
    """
    try:
        yield
    except OSError as exc:
        raise system_failure(what, exc, domain=domain) from exc
