# SPDX-License-Identifier: Apache-2.0
"""Threads of a guest in control groups of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from virloom.drivers.qemu.limits.start import limit_threads, nodes_of, tells_threads_apart
from virloom.errors import VirloomError
from virloom.host.cgroup.group import GuestGroups
from virloom.host.cgroup.layout import ThreadKind
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

logger = logging.getLogger(__name__)


async def settle_threads(
    groups: GuestGroups | None, vcpus: Mapping[int, int], iothreads: Mapping[int, int]
) -> None:
    """Puts the threads of a start into their groups, which takes the kernel some ten milliseconds.

    Raises:
        SystemFailure: The kernel refuses.
    """
    if groups is not None:
        await asyncio.to_thread(_settle, groups, dict(vcpus), dict(iothreads))


def _settle(groups: GuestGroups, vcpus: Mapping[int, int], iothreads: Mapping[int, int]) -> None:
    for number, thread in vcpus.items():
        groups.move_thread("vcpu", number, thread)
    for number, thread in iothreads.items():
        groups.move_thread("iothread", number, thread)


def needs_threads_first(groups: GuestGroups | None, dom: Domain) -> bool:
    """Whether a guest must not run before its threads are in their groups."""
    return groups is not None and (tells_threads_apart(dom) or nodes_of(dom) is not None)


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
