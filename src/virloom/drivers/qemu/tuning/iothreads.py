# SPDX-License-Identifier: Apache-2.0
"""Threads for input and output in a document: which there are, who uses them, how they work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InvalidArg,
    OperationInvalid,
    OperationUnsupported,
)
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Domain, IoThread

#: The most that QEMU takes for how long and how a thread polls.
_MOST = 2**31 - 1


def told_apart(dom: Domain) -> list[IoThread]:
    """An element for each thread, which the document has from now on."""
    given = dom.iothreadids.iothreads
    known = {thread.id for thread in given}
    given += [IoThread(id=number) for number in iothread_ids(dom) if number not in known]
    return given


def check_new(dom: Domain, number: int) -> None:
    """Raises InvalidArg where there is such a thread already."""
    if number in iothread_ids(dom):
        raise InvalidArg(
            f"domain '{dom.name}' has an I/O thread {number} already", domain=ErrorDomain.DOMAIN
        )


def add(dom: Domain, number: int) -> None:
    """One more thread."""
    threads = [*told_apart(dom), IoThread(id=number)]
    dom.iothreadids.iothreads = threads
    dom.iothreads = len(threads)


def check_unused(dom: Domain, number: int) -> None:
    """Whether a thread is there, and no device has its work done by it.

    Raises:
        InvalidArg: It is not there, or is used.
    """
    if number not in iothread_ids(dom):
        raise InvalidArg(
            f"domain '{dom.name}' has no I/O thread {number}", domain=ErrorDomain.DOMAIN
        )
    devices = dom.devices
    users = [
        *(f"disk '{disk.target.dev}'" for disk in devices.disks if disk.driver.iothread == number),
        *(
            f"controller '{controller.index}'"
            for controller in devices.controllers
            if controller.driver.iothread == number
        ),
    ]
    if users:
        raise InvalidArg(
            f"I/O thread {number} cannot go: it is used by {users[0]}", domain=ErrorDomain.DOMAIN
        )


def remove(dom: Domain, number: int) -> None:
    """One thread less, and all that is said of it."""
    threads = [thread for thread in told_apart(dom) if thread.id != number]
    dom.iothreadids.iothreads = threads
    dom.iothreads = len(threads) or None
    tune = dom.cputune
    tune.iothreadpins = [pin for pin in tune.iothreadpins if pin.iothread != number]
    for sched in tune.iothreadscheds:
        sched.iothreads = as_text(n for n in numbers_in(sched.iothreads or "") if n != number)
    tune.iothreadscheds = [sched for sched in tune.iothreadscheds if sched.iothreads]


class Change(NamedTuple):
    """How a thread is to work from now on; None leaves things as they are.

    Attributes:
        poll_max_ns: How long it looks for work before it sleeps; a running guest's only.
        poll_grow, poll_shrink: How that time changes.
        pool_min, pool_max: Of the helpers that do what would block it; -1 for QEMU's own.
    """

    poll_max_ns: int | None = None
    poll_grow: int | None = None
    poll_shrink: int | None = None
    pool_min: int | None = None
    pool_max: int | None = None

    def polling(self) -> dict[str, int]:
        """What is said of polling, by QEMU's names."""
        found = {
            "poll-max-ns": self.poll_max_ns,
            "poll-grow": self.poll_grow,
            "poll-shrink": self.poll_shrink,
        }
        return {name: value for name, value in found.items() if value is not None}

    def pool(self) -> dict[str, int]:
        """What is said of helpers, by QEMU's names, without what is left to QEMU."""
        found = {"thread-pool-min": self.pool_min, "thread-pool-max": self.pool_max}
        return {name: value for name, value in found.items() if value is not None and value >= 0}


def check_values(change: Change) -> None:
    """Raises ConfigUnsupported for what no thread can be told."""
    for name, value in change.polling().items():
        if value > _MOST:
            raise ConfigUnsupported(
                f"{name} of {value} is more than {_MOST}", domain=ErrorDomain.QEMU
            )
    if change.pool_min is not None and change.pool_min < -1:
        raise ConfigUnsupported(
            f"thread_pool_min of {change.pool_min} is less than -1", domain=ErrorDomain.QEMU
        )
    if change.pool_max is not None and (change.pool_max < -1 or change.pool_max == 0):
        raise ConfigUnsupported(
            f"thread_pool_max of {change.pool_max} is neither positive nor -1",
            domain=ErrorDomain.QEMU,
        )


def check_change(dom: Domain, number: int, change: Change, *, live: bool) -> None:
    """Whether the thread of a document can work so.

    Raises:
        InvalidArg: There is no such thread.
        OperationInvalid: Fewer helpers at most than at least, or a running guest's are left to
            QEMU.
        OperationUnsupported: How threads poll is kept in no document.
    """
    if number not in iothread_ids(dom):
        raise InvalidArg(f"domain '{dom.name}' has no I/O thread {number}", domain=ErrorDomain.QEMU)
    if live:
        for name, value in (("min", change.pool_min), ("max", change.pool_max)):
            if value is not None and value < 0:
                raise OperationInvalid(
                    f"thread_pool_{name} of a running guest cannot be left to QEMU ({value})",
                    domain=ErrorDomain.QEMU,
                )
    elif change.polling():
        raise OperationUnsupported(
            "how I/O threads poll can be set of a running guest only", domain=ErrorDomain.QEMU
        )
    low, high = _merged(dom, number, change)
    if (change.pool_min is not None or change.pool_max is not None) and low > high:
        raise OperationInvalid(
            f"thread_pool_min of {low} is more than thread_pool_max of {high}",
            domain=ErrorDomain.QEMU,
        )


def _merged(dom: Domain, number: int, change: Change) -> tuple[int, int]:
    """Least and most helpers as they would be; -1 for QEMU's own."""
    threads = {thread.id: thread for thread in dom.iothreadids.iothreads}
    thread = threads.get(number) or IoThread(id=number)
    low = change.pool_min if change.pool_min is not None else thread.thread_pool_min
    high = change.pool_max if change.pool_max is not None else thread.thread_pool_max
    return (-1 if low is None else low), (-1 if high is None else high)


def note_change(dom: Domain, number: int, change: Change) -> None:
    """Writes into a document how many helpers a thread has."""
    if change.pool_min is None and change.pool_max is None:
        return
    for thread in told_apart(dom):
        if thread.id == number:
            low, high = _merged(dom, number, change)
            thread.thread_pool_min = None if low < 0 else low
            thread.thread_pool_max = None if high < 0 else high


def in_turn(pool: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Limits in an order in which least never exceeds most on the way.

    Args:
        pool: What is to be set, by QEMU's names.
        now: What there is.
    """
    names = ["thread-pool-max", "thread-pool-min"]
    most = pool.get("thread-pool-max")
    if most is not None and most < now.get("thread-pool-min", 0):
        names.reverse()
    return {name: pool[name] for name in names if name in pool}
