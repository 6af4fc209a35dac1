# SPDX-License-Identifier: Apache-2.0
"""A device is taken from a guest that runs.

The guest is asked to let it go, and may do so at once, much later or never. Who waits for it is
done when QEMU says that it is gone, or after a while; then the device stays in the document, its
removal pending, and goes from there whenever the guest lets it go, also after another daemon has
taken the guest over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.blockjobs.rules import check_idle
from virloom.drivers.qemu.confine.plugged import take_away
from virloom.drivers.qemu.devices.describe import all_devices
from virloom.drivers.qemu.hotplug.assigned import give_back_device
from virloom.drivers.qemu.hotplug.backends import forget, leftovers
from virloom.drivers.qemu.hotplug.cards import leave_network
from virloom.drivers.qemu.hotplug.fragment import Fragment, fragment_of
from virloom.drivers.qemu.hotplug.intention import change_memory, take_back
from virloom.drivers.qemu.hotplug.rules import check_leaves
from virloom.drivers.qemu.limits.devices import update_devices
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process.resources import alias_of, listening_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.tuning.plug import is_vcpu, refresh
from virloom.drivers.runtime.jobs import Job
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.host.release import release
from virloom.model.domain import Chardev

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_KEY = "removals"


def pending(running: RunningGuest) -> list[str]:
    """Aliases of devices that the guest was asked to let go, as the record has them."""
    found: list[str] = running.record.runtime.setdefault(_KEY, [])
    return found


async def detach(driver: QemuDriver, running: RunningGuest, found: Fragment) -> None:
    """Asks the guest to let a device go, and waits a while; a job that changes it is held.

    Raises:
        OperationUnsupported: Nobody takes such a device.
        BlockCopyActive: A job works on the disk.
        OperationFailed: The guest refuses.
        OperationInvalid: The guest has ended meanwhile.
        InternalError: QEMU refuses.
    """
    check_leaves(running.model, found)
    if found.tag == "lease":
        found.remove(running.model, found.device)
        running.set_document()
        running.save()
        await running.leases.try_settle()
        return
    alias = alias_of(found.device)
    if found.tag == "disk":
        check_idle(running, found.device)
    waiter = running.removals[alias] = asyncio.get_running_loop().create_future()
    try:
        if not await _ask(running, alias):
            waiter.set_result(True)
        gone = await _wait(running, waiter)
    finally:
        running.removals.pop(alias, None)
    if gone:
        reached("device-gone")
        await drop(driver, running, found)
        reached("device-dropped")
        driver.events.emit(DomainEventID.DEVICE_REMOVED, running.guest.ref(), alias)


async def _ask(running: RunningGuest, alias: str) -> bool:
    """Tells QEMU; False when it has no such device any more."""
    _note(running, alias, True)
    try:
        await running.execute("device_del", {"id": alias})
    except QmpError as exc:
        if exc.kind == "DeviceNotFound":
            return False
        if not _is_unplugged(exc):
            _note(running, alias, False)
        raise
    return True


def _is_unplugged(error: QmpError) -> bool:
    """Whether QEMU only says that it has been asked before."""
    return "already in the process of unplug" in error.description


async def _wait(running: RunningGuest, waiter: asyncio.Future[bool]) -> bool:
    """Whether the device has gone; False while the guest does nothing.

    Raises:
        OperationFailed: The guest refuses.
        OperationInvalid: The guest has ended meanwhile.
    """
    limit = running.guest.patience.unplug
    either: set[asyncio.Future[Any]] = {waiter, running.ended}
    await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    running.require_current()
    if not waiter.done():
        return False
    if not waiter.result():
        raise OperationFailed("unplug of device was rejected by the guest", domain=ErrorDomain.QEMU)
    return True


def _note(running: RunningGuest, alias: str, is_pending: bool) -> None:
    known = pending(running)
    if is_pending == (alias in known):
        return
    if is_pending:
        known.append(alias)
    else:
        known.remove(alias)
    running.save()


async def drop(driver: QemuDriver, running: RunningGuest, device: Fragment) -> None:
    """Takes a device that is gone out of the live document, and its back ends out of QEMU."""
    alias = alias_of(device.device)
    runtime = running.record.runtime
    await take_back(running, leftovers(device, runtime))
    forget(alias, runtime)
    if alias in pending(running):
        pending(running).remove(alias)
    device.remove(running.model, device.device)
    if device.tag == "memory":
        change_memory(running, device.device, -1)
    _release_socket(running, device.device)
    update_devices(running)
    await take_away(driver, running, alias)
    await give_back_device(driver, running, device.device)
    await leave_network(driver, running, device.device)
    running.set_document()
    running.save()
    await running.leases.try_settle()


def _release_socket(running: RunningGuest, device: Any) -> None:
    path = listening_path(device) if isinstance(device, Chardev) else None
    held = [item for item in running.record.resources if item.get("path") == path]
    if path is None or not held:
        return
    release(held)
    running.record.resources[:] = [i for i in running.record.resources if i not in held]


# -- what QEMU says of it ----------------------------------------------------------------------


def device_gone(driver: QemuDriver, running: RunningGuest, alias: str) -> None:
    """QEMU has taken the device out of the guest."""
    waiter = running.removals.get(alias)
    if waiter is not None:
        if not waiter.done():
            waiter.set_result(True)
        return
    driver.background(_take_out(driver, running, alias), f"removal of '{alias}'")


def device_stays(driver: QemuDriver, running: RunningGuest, alias: str) -> None:
    """The guest does not let the device go."""
    waiter = running.removals.get(alias)
    if waiter is not None and not waiter.done():
        waiter.set_result(False)
    if alias in pending(running):
        _note(running, alias, False)
    driver.events.emit(DomainEventID.DEVICE_REMOVAL_FAILED, running.guest.ref(), alias)


async def _take_out(driver: QemuDriver, running: RunningGuest, alias: str) -> None:
    async with running.guest.jobs.hold(Job.MODIFY, "device removal"):
        if running.guest.running is not running:
            return  # it has ended, and all that it had with it
        if is_vcpu(alias):
            await refresh(running)
        for device in list(all_devices(running.model)):
            if alias_of(device) == alias:
                await drop(driver, running, fragment_of(device))
                ref = running.guest.ref()
                driver.events.emit(DomainEventID.DEVICE_REMOVED, ref, alias)
