# SPDX-License-Identifier: Apache-2.0
"""Macvtaps: links of guests' network cards directly on one of the host's, without a bridge.

One lasts until somebody removes it, unlike a tap: the guest's record lists it before it is made.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.command.net import tap_key
from virloom.drivers.qemu.hostdevs.functions import put_into_vlan
from virloom.drivers.qemu.nics.names import GENERATED_DIRECT, TapNames
from virloom.drivers.qemu.nics.taps import doing, is_virtio, queues_of
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.resources import alias_of
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.host import links, macvtaps, taps
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


def open_direct(
    driver: QemuDriver, record: GuestRecord, interfaces: Iterable[Interface], opened: ExitStack
) -> dict[str, int]:
    """Makes the macvtap of each interface that has one, and notes its name in the interface.

    Args:
        record: Of the guest.
        opened: Closes our copies.

    Returns:
        The descriptors, by the keys of the command line.

    Raises:
        SystemFailure: The host has no such link, or its kernel would not.
        ConfigUnsupported: The guests' network is one apart from the host's.
    """
    files: dict[str, int] = {}
    for interface in interfaces:
        if interface.type != "direct":
            continue
        if driver.space is not None:
            raise ConfigUnsupported(
                f"'{interface.source.dev}' is a link of the host: guests of this root have a "
                "network of their own, which has none of it",
                domain=ErrorDomain.QEMU,
            )
        if interface.source.mode == "passthrough":
            put_into_vlan(record, interface)
        _make(driver.macvtap_names, record, interface)
        for number, fd in enumerate(_open(record, interface)):
            opened.callback(os.close, fd)
            files[tap_key(alias_of(interface), number)] = fd
    return files


def _make(names: TapNames, record: GuestRecord, interface: Interface) -> None:
    asked, lower = interface.target.dev, interface.source.dev or ""
    given = asked is not None and not asked.startswith(GENERATED_DIRECT)
    mode, address = interface.source.mode or "vepa", interface.mac.address or ""
    with doing(f"cannot use the network link '{lower}'"):
        taps.set_up(lower)  # as libvirt; nothing is done to one that is
    while True:
        name = asked if given and asked is not None else names.next()
        note = {"kind": "macvtap", "path": name, "lower": lower, "address": address}
        interface.target.dev = name
        record.resources.append(note)
        record.save()
        words = f"error creating macvtap interface {name}@{lower} ({address})"
        with doing(words, ErrorDomain.NET):
            try:
                links.add_macvtap(name, lower, mode, address)
            except OSError as exc:
                _forget(record, note)
                if exc.errno == errno.EEXIST and not given:
                    continue  # somebody else's
                raise
        break
    with doing(f"cannot set up '{name}' on '{lower}'"):
        if mode == "passthrough":
            taps.set_address(name, address)  # before that it has the wire's
        if interface.mtu.size:
            taps.set_mtu(name, interface.mtu.size)
        taps.set_up(name)


def _forget(record: GuestRecord, note: dict[str, Any]) -> None:
    """It was not made: what is called so is another's."""
    record.resources.remove(note)
    record.save()


def _open(record: GuestRecord, interface: Interface) -> list[int]:
    name = interface.target.dev or ""
    with doing(f"cannot open the macvtap '{name}'"):
        return macvtaps.open_queues(
            name, queues_of(interface), header=is_virtio(interface), directory=record.directory
        )
