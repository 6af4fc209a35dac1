# SPDX-License-Identifier: Apache-2.0
"""AppArmor's profile of a guest that runs, in step with its devices.

The kernel lets QEMU use whatever it is handed open by somebody who is not confined, so images may
come and go without the profile; what QEMU opens itself (devices of the host, most of all) has to be
in it before. As with libvirt all rules are made anew of the document at each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.block.layers import layers_of
from virloom.drivers.qemu.confine.labels import (
    Labelling,
    enforce,
    guest_rules,
    profile_directory,
)
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.domain import Domain
from virloom.security import apparmor

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

Chains = Mapping[str, tuple[ImageLayer, ...]]


async def renew_profile(
    driver: QemuDriver,
    running: RunningGuest,
    new: Domain | None = None,
    chains: Chains = MappingProxyType({}),
) -> None:
    """Lets QEMU open what the guest's document names now; nothing happens where that is so.

    Args:
        new: The guest with no device but one that is about to come.
        chains: Backing chain by alias of its disk, of that device.

    Raises:
        InternalError: A path cannot be named in a profile, or the parser does not take it.
        SystemFailure: A file cannot be written.
    """
    if "apparmor" not in driver.security.models or not _has_own(running.model):
        return
    place = profile_directory(driver) / apparmor.profile_name(running.model.uuid or "")
    rules = [*guest_rules(running.model, _live(running), running.record.directory)]
    if new is not None:
        rules += guest_rules(new, chains, running.record.directory)
    file = place.with_name(f"{place.name}.files")
    text = _text(rules)
    if file.read_text(errors="replace") == text:
        return
    running.require_current()
    await enforce(Labelling([], [], {str(file): text}, str(place)))


def _text(rules: Iterable[apparmor.Rule]) -> str:
    try:
        return apparmor.rules_text(rules)
    except ValueError as exc:
        raise InternalError(str(exc), domain=ErrorDomain.SECURITY) from exc


def _has_own(dom: Domain) -> bool:
    """Whether the guest's profile is one that was made for it."""
    return any(label.model == "apparmor" and label.type == "dynamic" for label in dom.seclabels)


def _live(running: RunningGuest) -> Chains:
    return {
        alias_of(disk): tuple(
            layer.image(block=layer.kind == "block") for layer in layers_of(running, disk)
        )
        for disk in running.model.devices.disks
    }
