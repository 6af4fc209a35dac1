# SPDX-License-Identifier: Apache-2.0
"""Looks into a domain's images and memory, and marks that tell of writes."""

from __future__ import annotations

import asyncio

from virloom.drivers.qemu.block.peek import peekable, read_part
from virloom.drivers.qemu.block.threshold import set_threshold
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.process.memory import read_memory
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainMemoryFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, Rpc
from virloom.procedures import domain as p

#: As much goes into an answer (REMOTE_DOMAIN_BLOCK_PEEK_BUFFER_MAX of libvirt's protocol).
_MOST = 4 << 20


class Peeking:
    """Handlers that look."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_BLOCK_PEEK)
    async def block_peek(self, call: Call, args: p.DomainBlockPeekArgs) -> p.DomainBlockPeekRet:
        _check_size(args.size)
        if not args.path:
            raise senseless("string disk in virDomainBlockPeek must not be empty")
        check_flags(call, args.flags, 0)
        path = peekable(self._driver.find(args.dom).model, args.path)
        data = await asyncio.to_thread(read_part, path, args.path, args.offset, args.size)
        return p.DomainBlockPeekRet(data)

    @serves(p.DOMAIN_MEMORY_PEEK)
    async def memory_peek(self, call: Call, args: p.DomainMemoryPeekArgs) -> p.DomainMemoryPeekRet:
        _check_size(args.size)
        virtual, physical = DomainMemoryFlags.VIRTUAL, DomainMemoryFlags.PHYSICAL
        if args.flags & virtual and args.flags & physical:
            raise senseless(
                "Flags 'VIR_MEMORY_VIRTUAL' and 'VIR_MEMORY_PHYSICAL' are mutually exclusive"
            )
        check_flags(call, args.flags, virtual | physical)
        if not args.flags:
            raise InvalidArg(
                "flags parameter must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL",
                domain=ErrorDomain.QEMU,
            )
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            data = await read_memory(
                guest.require_running(),
                args.offset,
                args.size,
                virtual=bool(args.flags & virtual),
            )
        return p.DomainMemoryPeekRet(data)

    @serves(p.DOMAIN_SET_BLOCK_THRESHOLD)
    async def set_block_threshold(self, call: Call, args: p.DomainSetBlockThresholdArgs) -> None:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            await set_threshold(guest.require_running(), args.dev, args.threshold)


def _check_size(size: int) -> None:
    if size > _MOST:
        raise Rpc(f"size is greater than {_MOST}", domain=ErrorDomain.RPC)
