# SPDX-License-Identifier: Apache-2.0
"""vCPUs come and go while the guest runs, or before it does.

QEMU knows which there are: whoever plugs, unplugs or takes over a guest asks it, and makes the
live document and the record agree. So nothing has to be noted before, and a daemon that is killed
on the way leaves nothing to be undone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from virloom.drivers.qemu.limits.threads import remove_thread
from virloom.drivers.qemu.monitor.client import Monitor, QmpError
from virloom.drivers.qemu.monitor.commands.cpu import (
    HotpluggableCpu,
    Vcpu,
    query_cpus_fast,
    query_hotpluggable_cpus,
)
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.tuning import thread_added
from virloom.drivers.qemu.process.usage import listed, vcpu_threads
from virloom.drivers.qemu.tuning.places import Place, choose_count, choose_some, places_of
from virloom.drivers.qemu.tuning.vcpus import check_number, note_count, present, told_apart
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationTimeout
from virloom.model.domain import Domain

_PREFIX = "vcpu"


def is_vcpu(alias: str) -> bool:
    """Whether a device's id is that of a vCPU that was plugged."""
    return alias.startswith(_PREFIX) and alias.removeprefix(_PREFIX).isdecimal()


async def set_live_count(running: RunningGuest, count: int) -> None:
    """Plugs or unplugs vCPUs of a guest that runs; a job that changes it is held.

    Raises:
        ConfigUnsupported: Not so many can be plugged or unplugged.
        OperationFailed: The guest refuses to let one go.
        OperationTimeout: It does not answer; it may let it go later.
        InternalError: QEMU refuses.
    """
    places = await _places(running)
    now = len(present(running.model))
    if count == now:
        return
    chosen, grows = choose_count(places, now, count)
    for place in chosen:
        await (_plug(running, place) if grows else _unplug(running, place))


async def set_live(running: RunningGuest, numbers: Collection[int], *, enabled: bool) -> None:
    """Plugs or unplugs one CPU, the one that has these vCPUs; raises as :func:`set_live_count`.

    Raises:
        InvalidArg: There is no such vCPU, or it is as it should be.
        OperationUnsupported: They are more than one, or were there from the start.
    """
    place = await chosen(running, numbers, enabled=enabled)
    await (_plug(running, place) if enabled else _unplug(running, place))


async def chosen(running: RunningGuest, numbers: Collection[int], *, enabled: bool) -> Place:
    """What :func:`set_live` would change; raises as that."""
    for number in sorted(numbers):
        check_number(running.model, number, "live")
    return choose_some(await _places(running), numbers, enabled=enabled)


async def _places(running: RunningGuest) -> list[Place]:
    """The places; a vCPU that came or went without our doing is taken in before."""
    places = places_of(await _hotpluggable(running.require_monitor()))
    running.require_current()
    filled = {number for place in places if place.filled for number in place.numbers()}
    if places and filled != set(present(running.model)):
        await refresh(running)
    return places


async def _hotpluggable(monitor: Monitor) -> list[HotpluggableCpu]:
    try:
        return await query_hotpluggable_cpus(monitor)
    except QmpError:  # a machine that has no such thing
        return []


def _device(place: Place) -> dict[str, Any]:
    return {"driver": place.cpu.driver, "id": f"{_PREFIX}{place.first}", **place.cpu.position}


async def _plug(running: RunningGuest, place: Place) -> None:
    reached("before-vcpu")
    await running.execute("device_add", _device(place))
    reached("vcpu-plugged")
    await refresh(running)
    reached("vcpu-recorded")


async def _unplug(running: RunningGuest, place: Place) -> None:
    alias = place.alias or ""
    waiter = running.removals[alias] = asyncio.get_running_loop().create_future()
    try:
        try:
            await running.execute("device_del", {"id": alias})
        except QmpError as exc:
            if exc.kind == "DeviceNotFound":
                waiter.set_result(True)
            elif "already in the process of unplug" not in exc.description:
                raise
        await _wait(running, waiter, place)
    finally:
        running.removals.pop(alias, None)
    reached("vcpu-gone")
    await refresh(running)
    reached("vcpu-recorded")


async def _wait(running: RunningGuest, waiter: asyncio.Future[bool], place: Place) -> None:
    either: set[asyncio.Future[Any]] = {waiter, running.ended}
    limit = running.guest.patience.unplug
    await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    running.require_current()
    if not waiter.done():
        raise OperationTimeout(
            f"the guest has not let vCPU {place.first} go within {limit:g} s, and may do so later",
            domain=ErrorDomain.QEMU,
        )
    if not waiter.result():
        raise OperationFailed(
            f"the guest refuses to let vCPU {place.first} go", domain=ErrorDomain.QEMU
        )


async def refresh(running: RunningGuest) -> None:
    """Makes document and record tell of the vCPUs that there are, and puts new threads in place.

    Raises:
        SystemFailure: A thread cannot be put where the document has it; it is there all the same.
        VirloomError: QEMU does not answer.
    """
    try:
        await _take_stock(running)
    finally:
        running.set_document()
        running.save()


async def _take_stock(running: RunningGuest) -> None:
    monitor = running.require_monitor()
    cpus = await query_cpus_fast(monitor)
    places = places_of(await _hotpluggable(monitor))
    running.require_current()
    known = vcpu_threads(running)
    threads = {cpu.number: cpu.thread for cpu in cpus}
    running.record.runtime["vcpu_threads"] = listed(threads)
    _show(running.model, cpus, places)
    for number, thread in threads.items():
        if known.get(number) != thread:
            await thread_added(running, "vcpu", number, thread)
    for number in known.keys() - threads.keys():
        remove_thread(running, "vcpu", number)
    reached("vcpu-shown")


def _show(model: Domain, cpus: Collection[Vcpu], places: Collection[Place]) -> None:
    """The document tells vCPUs apart as soon as one has been plugged."""
    plugged = {n for place in places if place.alias for n in place.numbers()}
    if model.vcpus is None and not plugged:
        return
    orders = {cpu.number: cpu.order for cpu in cpus}
    for vcpu in told_apart(model):
        number = vcpu.id or 0
        vcpu.enabled = number in orders
        vcpu.hotpluggable = number in plugged or number not in orders
        vcpu.order = orders.get(number)
    note_count(model)


async def plug_at_start(
    monitor: Monitor, model: Domain, threads: Mapping[int, int]
) -> dict[int, int]:
    """Gives a guest that has not run yet the vCPUs that it could be without.

    Returns:
        The thread of each vCPU.

    Raises:
        InternalError: QEMU refuses.
    """
    if model.vcpus is None or not any(v.enabled and v.hotpluggable for v in model.vcpus.vcpus):
        return dict(threads)
    wanted = {
        vcpu.id: vcpu.order or 0
        for vcpu in model.vcpus.vcpus
        if vcpu.enabled and vcpu.id not in threads
    }
    places = [place for place in places_of(await _hotpluggable(monitor)) if place.first in wanted]
    for place in sorted(places, key=lambda place: (wanted[place.first], place.first)):
        await monitor.execute("device_add", _device(place))
    return {cpu.number: cpu.thread for cpu in await query_cpus_fast(monitor)}
