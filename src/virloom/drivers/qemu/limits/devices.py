# SPDX-License-Identifier: Apache-2.0
"""Which devices of the host a guest's QEMU may open: those of every guest, and of its document."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from virloom.drivers.qemu.confine.devices import wanted_devices
from virloom.drivers.qemu.process.resources import image_path
from virloom.errors import VirloomError
from virloom.host.cgroup.devices import TERMINALS, DeviceRule, rules_of
from virloom.host.cgroup.group import GuestGroups
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

logger = logging.getLogger(__name__)

#: Sound cards, by the back ends that open them (``admin-guide/devices.txt``).
_SOUND = {"alsa": DeviceRule("c", 116, None), "oss": DeviceRule("c", 14, None)}


def restrict_devices(groups: GuestGroups | None, dom: Domain) -> None:
    """Lets a guest use what it has, and nothing else; may be repeated whenever that changes.

    Raises:
        SystemFailure: The kernel refuses.
    """
    if groups is None or not groups.has("devices"):
        return
    place = groups.place("devices")
    place.backend.set_devices(place.directory, device_rules(dom, groups.usual_devices))


def update_devices(running: RunningGuest) -> None:
    """The same for a guest that runs, whatever the kernel says; nothing once it has ended."""
    if running.guest.running is not running:
        return
    try:
        restrict_devices(running.groups, running.model)
    except VirloomError as exc:
        logger.warning("domain '%s': %s", running.guest.name, exc.message)


def device_rules(dom: Domain, usual: tuple[str, ...]) -> list[DeviceRule]:
    """The rules for a guest.

    Args:
        usual: What every guest may open (``cgroup_device_acl``).
    """
    wanted = [device.path for device in wanted_devices(dom, {})]
    rules = [TERMINALS, *rules_of([*usual, *wanted, *_more_paths(dom)])]
    rules += [_SOUND[audio.type] for audio in dom.devices.audios if audio.type in _SOUND]
    return list(dict.fromkeys(rules))


def _more_paths(dom: Domain) -> Iterator[str]:
    """Images with those behind them, and input devices that QEMU reads itself."""
    for disk in dom.devices.disks:
        path = image_path(disk)
        if path:
            yield path
        store = disk.backing_store
        while store is not None:
            path = store.source.file or store.source.dev
            if path:
                yield path
            store = store.backing_store
    for device in dom.devices.inputs:
        if device.source is not None and device.source.dev:
            yield device.source.dev
