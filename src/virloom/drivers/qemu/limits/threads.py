# SPDX-License-Identifier: Apache-2.0
"""Threads of a guest in control groups of their own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.limits.start import limit_threads, nodes_of, tells_threads_apart
from virloom.drivers.qemu.monitor.commands.iothreads import iothread_threads
from virloom.drivers.qemu.process.usage import vcpu_threads
from virloom.errors import VirloomError
from virloom.host.cgroup.layout import ThreadKind
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

logger = logging.getLogger(__name__)


async def settle_again(running: RunningGuest) -> None:
    """Puts the threads of a guest that was taken over where their former owner had no time to.

    Raises:
        VirloomError: QEMU does not tell which there are, or the kernel refuses.
    """
    try:
        await _settle_missing(running)
    except VirloomError:
        if running.guest.running is running:  # else it has just ended, and nothing is missing
            raise


async def _settle_missing(running: RunningGuest) -> None:
    if running.groups is None:
        return
    threads: dict[ThreadKind, dict[int, int]] = {"vcpu": vcpu_threads(running)}
    if iothread_ids(running.model):
        threads["iothread"] = await iothread_threads(running.require_monitor())
        running.require_current()
    for kind, numbered in threads.items():
        for number, thread in numbered.items():
            if not running.groups.has_thread(kind, number, thread):
                await place_thread(running, kind, number, thread)


def needs_threads_first(dom: Domain) -> bool:
    """Whether a guest with groups must not run before its threads are in theirs."""
    return tells_threads_apart(dom) or nodes_of(dom) is not None


async def place_thread(running: RunningGuest, kind: ThreadKind, number: int, thread: int) -> None:
    """Puts a thread that a running guest has got into groups that are made for it.

    Raises:
        VirloomError: The kernel refuses.
        OperationInvalid: The guest has ended meanwhile.
    """
    groups = running.groups
    if groups is None:
        return
    if groups.add_thread_group(kind, number):
        limit_threads(groups, running.model, kind, [number])
    await asyncio.to_thread(groups.move_thread, kind, number, thread)
    running.require_current()


def remove_thread(running: RunningGuest, kind: ThreadKind, number: int) -> None:
    """Removes the groups of a thread that has gone.

    QEMU without KVM keeps the threads of some vCPUs: their groups stay for the next one.
    """
    if running.groups is None:
        return
    try:
        running.groups.remove_thread_group(kind, number)
    except VirloomError as exc:
        logger.info("domain '%s': %s", running.guest.name, exc.message)
