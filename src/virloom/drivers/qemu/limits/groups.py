# SPDX-License-Identifier: Apache-2.0
"""The control groups of a guest's process: planned, made, found again.

An ordinary user's guests have none, nor have those of a host that lets nobody make groups; they
run all the same, and who asks for a limit is told.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.limits.start import apply_limits
from virloom.drivers.qemu.tuning.vcpus import present
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.host.cgroup import group
from virloom.host.cgroup.group import GuestGroups
from virloom.host.cgroup.layout import (
    DEFAULT_PARTITION,
    group_name,
    machine_name,
    thread_groups,
)
from virloom.host.cgroup.removal import remove
from virloom.model.domain import Domain, Resource

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.process.record import GuestRecord

logger = logging.getLogger(__name__)

#: Where the record's runtime has the name of the guest's group.
_KEY = "cgroup"


def plan_groups(driver: QemuDriver, dom: Domain, id: int) -> GuestGroups | None:
    """Where a guest's groups are going to be; None if it will have none.

    Raises:
        ConfigUnsupported: Its partition is none.
    """
    if not driver.dac.privileged:
        return None
    name = group_name(machine_name(id, dom.name, driver.directories.root))
    partition = dom.resource.partition if dom.resource is not None else None
    try:
        planned = group.planned(driver.hierarchies, partition, name, driver.config.controllers)
    except ValueError as exc:
        raise ConfigUnsupported(str(exc), domain=ErrorDomain.DOMAIN) from exc
    if planned is not None:
        planned.usual_devices = driver.config.cgroup_device_acl
    return planned


def make_groups(planned: GuestGroups, dom: Domain) -> GuestGroups | None:
    """Makes the groups, and limits them as the document says.

    Returns:
        None where this process may not make groups.

    Raises:
        OperationFailed: A group of that name is in use.
        VirloomError: The host does not take a limit.
    """
    made = group.make(planned, thread_groups(present(dom), iothread_ids(dom)))
    if made is None:
        logger.info("this process may not make control groups: guests have none")
        return None
    try:
        apply_limits(made, dom)
    except BaseException:
        remove(place.directory for place in made.places)
        raise
    made.usual_devices = planned.usual_devices
    resource = dom.resource = dom.resource or Resource()
    resource.partition = resource.partition or DEFAULT_PARTITION
    return made


def note_groups(record: GuestRecord, groups: GuestGroups | None) -> None:
    """Notes by which name the groups are to be found again."""
    if groups is not None:
        record.runtime[_KEY] = groups.places[0].directory.rpartition("/")[2]


def find_groups(driver: QemuDriver, record: GuestRecord, pid: int) -> GuestGroups | None:
    """The groups that a running guest is in, wherever they are now.

    They are to be removed at its end, like those that were made for it.
    """
    name = record.runtime.get(_KEY)
    if not isinstance(name, str):
        return None
    try:
        found = group.find(pid, name, driver.hierarchies)
    except OSError:
        return None  # it has just ended
    if found is None:
        logger.warning("domain '%s': its process has left its control groups", record.name)
        return None
    found.usual_devices = driver.config.cgroup_device_acl
    if found.resource() not in record.resources:
        record.resources.append(found.resource())
    return found
