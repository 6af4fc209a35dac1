# SPDX-License-Identifier: Apache-2.0
"""Threads for input and output of a guest that runs.

As with vCPUs QEMU knows which there are: a takeover asks it, and makes document and record agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.limits.threads import remove_thread
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.monitor.commands import iothreads as commands
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.tuning import thread_added
from virloom.drivers.qemu.tuning.iothreads import Change, add, in_turn, note_change, remove

#: In the record: that one of them is about to come or to go.
KEY = "iothreads"


async def plug(running: RunningGuest, number: int) -> None:
    """Starts a thread, and puts it where it belongs; a job that changes the guest is held.

    Raises:
        SystemFailure: The host does not let it be put there.
        VirloomError: QEMU refuses.
    """
    with _noted(running):
        await commands.add_iothread(running.require_monitor(), number)
    reached("iothread-plugged")
    await settle(running)


async def unplug(running: RunningGuest, number: int) -> None:
    """Ends a thread that nothing uses; raises as :func:`plug`."""
    with _noted(running):
        await commands.delete_iothread(running.require_monitor(), number)
    reached("iothread-gone")
    await settle(running)


async def adapt(running: RunningGuest, number: int, change: Change) -> None:
    """Changes how a thread works; raises as :func:`plug`."""
    known = {thread.id: thread for thread in running.model.iothreadids.iothreads}.get(number)
    now = {"thread-pool-min": (known and known.thread_pool_min) or 0}
    values = {**change.polling(), **in_turn(change.pool(), now)}
    await commands.set_iothread(running.require_monitor(), number, values)
    running.require_current()
    note_change(running.model, number, change)
    running.set_document()
    running.save()


@contextmanager
def _noted(running: RunningGuest) -> Iterator[None]:
    """Which threads there were, for whoever takes the guest over before all is done."""
    running.record.runtime[KEY] = iothread_ids(running.model)
    running.save()
    reached("iothread-noted")
    try:
        yield
    except QmpError:  # it has not been done
        del running.record.runtime[KEY]
        running.save()
        raise


async def settle(running: RunningGuest) -> None:
    """Makes document and record tell of the threads that there are; raises as :func:`plug`."""
    there = await commands.iothread_threads(running.require_monitor())
    running.require_current()
    known = running.record.runtime.pop(KEY, None) or []
    model = running.model
    for number in set(iothread_ids(model)) - there.keys():
        remove(model, number)
        remove_thread(running, "iothread", number)
    for number, thread in there.items():
        if number not in iothread_ids(model):
            add(model, number)
        if number not in known:
            await thread_added(running, "iothread", number, thread)
    running.set_document()
    running.save()
