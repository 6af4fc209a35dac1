# SPDX-License-Identifier: Apache-2.0
"""Threads for input and output, and the main loop's."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import Props
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.model.domain import DefaultIoThread, IoThread


def add_iothreads(assembly: Assembly) -> None:
    """An object for each, and one for the main loop where something is said of it."""
    dom = assembly.dom
    given = {thread.id: thread for thread in dom.iothreadids.iothreads}
    for number in iothread_ids(dom):
        thread = given.get(number)
        pool = _pool(thread) if thread is not None else {}
        assembly.args.object({"qom-type": "iothread", "id": f"iothread{number}", **pool})
    pool = _pool(dom.defaultiothread)
    if pool:
        assembly.args.object({"qom-type": "main-loop", "id": "main-loop", **pool})


def _pool(thread: IoThread | DefaultIoThread) -> Props:
    limits = {
        "thread-pool-min": thread.thread_pool_min,
        "thread-pool-max": thread.thread_pool_max,
    }
    return {name: value for name, value in limits.items() if value is not None}
