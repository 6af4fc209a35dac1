# SPDX-License-Identifier: Apache-2.0
"""What of the host's memory is set aside and shared, and that the host sleeps for a while."""

from __future__ import annotations

import asyncio
import os

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, check_host_flags, senseless
from virloom.drivers.qemu.handlers.host import last_cell
from virloom.drivers.runtime.parameters import Kinds
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.host import NodeAllocPagesFlags, NodeSuspendTarget
from virloom.errors import (
    ArgumentUnsupported,
    InvalidArg,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    Rpc,
    system_failure,
)
from virloom.host import memory, sleep
from virloom.host.process import run
from virloom.procedures import connect as p

_SHARING = Kinds.all_of(
    "uint", "shm_pages_to_scan", "shm_sleep_millisecs", "shm_merge_across_nodes"
)

_PLACES: dict[int, sleep.Place] = {
    NodeSuspendTarget.MEM: "mem",
    NodeSuspendTarget.DISK: "disk",
    NodeSuspendTarget.HYBRID: "hybrid",
}
_NAMES = {"mem": "Suspend-to-RAM", "disk": "Suspend-to-Disk", "hybrid": "Hybrid-Suspend"}

#: Seconds that a clock needs to be set, and between the answer and the sleep.
_SHORTEST = 60
_DELAY = 2.0


class HostMemory:
    """Handlers that change the host."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.NODE_ALLOC_PAGES)
    def alloc_pages(self, call: Call, args: p.NodeAllocPagesArgs) -> p.NodeAllocPagesRet:
        """Sets huge pages aside, or gives them back; cell -1 is the whole host."""
        if len(args.page_sizes) != len(args.page_counts):
            raise Rpc("there is not a count for each size of pages", domain=ErrorDomain.RPC)
        if not args.page_sizes:
            raise senseless("npages in virNodeAllocPages must not be zero")
        if not args.cell_count:
            raise senseless("cellCount in virNodeAllocPages must not be zero")
        check_flags(call, args.flags, NodeAllocPagesFlags.SET)
        more = not args.flags & NodeAllocPagesFlags.SET
        done = 0
        for cell in range(args.start_cell, last_cell(args.start_cell, args.cell_count) + 1):
            for size, count in zip(args.page_sizes, args.page_counts, strict=True):
                _set_pages(cell, size, count, more=more)
                done += 1
        return p.NodeAllocPagesRet(done)

    @serves(p.NODE_SET_MEMORY_PARAMETERS)
    def set_memory_parameters(self, call: Call, args: p.NodeSetMemoryParametersArgs) -> None:
        """How the kernel shares equal pages of guests (KSM)."""
        if not args.params:
            raise senseless("params in virNodeSetMemoryParameters must not be NULL")
        check_host_flags(call, args.flags, 0, "virHostMemSetParameters")
        values = _SHARING.check(args.params)
        try:
            known = {figure.name for figure, _ in memory.sharing()}
        except OSError as exc:
            raise system_failure(
                "cannot read what the kernel shares of memory", exc, domain=ErrorDomain.NONE
            ) from exc
        for name in values.keys() - known:
            raise OperationInvalid(f"Parameter '{name}' is not supported by this kernel")
        for name, value in values.items():
            try:
                memory.set_sharing(name, value)
            except OSError as exc:
                raise system_failure(f"failed to set {name}", exc, domain=ErrorDomain.NONE) from exc

    @serves(p.NODE_SUSPEND_FOR_DURATION)
    def suspend(self, call: Call, args: p.NodeSuspendForDurationArgs) -> None:
        """The host goes to sleep shortly after the answer, and its clock wakes it."""
        check_host_flags(call, args.flags, 0, "virNodeSuspend")
        place = _PLACES.get(args.target)
        if place is None:
            raise InvalidArg("Invalid suspend target")
        if not sleep.can_sleep(place):
            raise ArgumentUnsupported(_NAMES[place])
        if args.duration < _SHORTEST:
            raise InvalidArg(f"the host can sleep for {_SHORTEST} seconds or more")
        asyncio.get_running_loop().call_later(_DELAY, self._begin, place, args.duration)

    def _begin(self, place: sleep.Place, seconds: int) -> None:
        self._driver.background(_sleep(place, seconds), "sleep of the host")


def _set_pages(cell: int, size_kib: int, count: int, *, more: bool) -> None:
    if size_kib == os.sysconf("SC_PAGE_SIZE") // 1024:
        raise OperationUnsupported("system pages pool can't be modified")
    try:
        found = memory.set_pages(size_kib, None if cell == -1 else cell, count, more=more)
    except OSError as exc:
        raise system_failure(
            f"cannot set pages of {size_kib} KiB aside", exc, domain=ErrorDomain.NONE
        ) from exc
    place = "" if cell == -1 else f" on node {cell}"
    if found is None:
        raise OperationFailed(f"page size {size_kib} is not available{place}")
    wanted, there = found
    if there < wanted:
        raise OperationFailed(
            f"the host has {there} pages of {size_kib} KiB{place} now, not {wanted}"
        )


async def _sleep(place: sleep.Place, seconds: int) -> None:
    if place == "hybrid":
        try:
            sleep.choose_hybrid()
        except OSError as exc:
            raise system_failure("cannot choose how the host sleeps", exc) from exc
    done = await run(sleep.sleep_command(place, seconds), timeout=seconds + 600.0)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise OperationFailed(f"the host does not sleep: {words}", domain=ErrorDomain.QEMU)
