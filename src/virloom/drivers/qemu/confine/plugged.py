# SPDX-License-Identifier: Apache-2.0
"""What the device of a running guest gets of the host, and leaves when it goes.

Nodes in the guest's own ``/dev`` (found by ``/proc/PID``, whoever started the guest), owners and
SELinux labels of files, and rules of its AppArmor profile. The guest's record lists all of it by
the device's alias before anything is done; what a daemon that dies leaves there goes with the
device or with the guest.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.confine.devices import nodes_of, wanted_devices
from virloom.drivers.qemu.confine.owners import ids_of_guest, owned_files, plan_owners
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import VirloomError, system_failure
from virloom.host.device_nodes import DEV, Node
from virloom.host.process import Confinement
from virloom.host.release import release
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

_KEY = "device_nodes"


def note_nodes(
    runtime: dict[str, Any],
    confinement: Confinement | None,
    dom: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
) -> None:
    """Notes in a starting guest's record which of its nodes are whose.

    Args:
        runtime: Of the record.
        chains: Backing chain by alias of its disk.
    """
    if confinement is None or confinement.private_dev is None:
        return
    there = {node.path for node in confinement.private_dev.nodes}
    found: dict[str, list[str]] = {}
    for device in wanted_devices(dom, chains):
        if device.path in there:
            found.setdefault(device.alias, []).append(device.path)
    runtime[_KEY] = found


def has_private_dev(pid: int) -> bool:
    """Whether a process has another ``/dev`` than we have."""
    try:
        return not os.path.samestat(os.stat(DEV), os.stat(f"/proc/{pid}/root{DEV}"))
    except OSError:
        return False


async def give(
    driver: QemuDriver,
    running: RunningGuest,
    alias: str,
    only: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
) -> None:
    """Gives a running guest what a new device of it needs of the host.

    Args:
        alias: Of the device.
        only: The guest with no other device.
        chains: Backing chain by alias of its disk.

    Raises:
        VirloomError: That is not possible; :func:`take_away` is still to be called.
    """
    ids = ids_of_guest(driver, running.model)
    record = running.record
    private = has_private_dev(running.pid)
    nodes: list[Node] = []
    if private:
        wanted = [device for device in wanted_devices(only, chains) if device.alias == alias]
        nodes = nodes_of(wanted, (ids.uid, ids.gid) if driver.dac.dynamic else None)
    files = [file for file in owned_files(only, chains) if file.alias == alias]
    owners = plan_owners(driver, only, files, record.marker, ids)
    # A file that another device of the guest has is given already, and stays until that goes too.
    given = {item["path"] for item in record.resources if item["kind"] == "owner"}
    owners = [item for item in owners if item["path"] not in given]
    if nodes:
        record.runtime.setdefault(_KEY, {})[alias] = [node.path for node in nodes]
    labels: list[dict[str, Any]] = []
    if "selinux" in driver.security.models:
        from virloom.drivers.qemu.confine import plugged_labels  # few hosts have any

        labels = plugged_labels.plan_plugged(only, chains, alias, record.resources)
    record.resources += [*owners, *labels]
    if nodes or owners or labels:
        running.save()
    if nodes:
        await _change(driver, running, nodes, [])
    for item in owners:
        driver.dac.take(item)
    if labels:
        plugged_labels.label_files(labels)
    if driver.security.models:
        from virloom.drivers.qemu.confine.profile import renew_profile  # few hosts have any

        await renew_profile(driver, running, only, chains)


async def take_away(driver: QemuDriver, running: RunningGuest, alias: str) -> None:
    """Takes back what a device had of the host, once it has gone; never fails."""
    record = running.record
    nodes = record.runtime.get(_KEY, {})
    mine = set(nodes.pop(alias, ()))
    usual = set(driver.config.cgroup_device_acl)
    gone = sorted(mine - usual - {path for others in nodes.values() for path in others})
    owners = [item for item in record.resources if alias and item.get("alias") == alias]
    if gone and has_private_dev(running.pid):
        try:
            await _change(driver, running, [], gone)
        except VirloomError as exc:  # it goes with the guest
            logger.warning("domain '%s': %s", running.guest.name, exc)
    if owners and not release(owners):
        record.resources[:] = [item for item in record.resources if item not in owners]
    if mine or owners:
        running.save()
    if driver.security.models:
        from virloom.drivers.qemu.confine.profile import renew_profile

        try:
            await renew_profile(driver, running)
        except (VirloomError, OSError) as exc:  # it may do more than it needs, until it ends
            logger.warning("domain '%s': %s", running.guest.name, exc)


async def _change(
    driver: QemuDriver, running: RunningGuest, made: list[Node], removed: list[str]
) -> None:
    try:
        namespace = os.open(f"/proc/{running.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise system_failure(f"cannot reach /dev of '{running.guest.name}'", exc) from exc
    try:
        running.require_current()  # so the pid was the guest's when it was opened
        await driver.spawner.change_nodes(namespace, made, removed)
    finally:
        os.close(namespace)
