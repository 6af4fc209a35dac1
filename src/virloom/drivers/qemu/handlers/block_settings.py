# SPDX-License-Identifier: Apache-2.0
"""Limits and sizes of a domain's disks."""

from __future__ import annotations

from typing import Any

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.block import limits
from virloom.drivers.qemu.block.figures import device_of
from virloom.drivers.qemu.block.resizing import new_size
from virloom.drivers.qemu.command.throttling import has_medium, throttled, throttling
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_exclusive, check_flags, senseless
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.handlers.statistics import named_disk
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainBlockResizeFlags, DomainEventID, DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationUnsupported
from virloom.model.domain import Disk, Domain
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

_LIVE = DomainModificationImpact.LIVE
_CONFIG = DomainModificationImpact.CONFIG
_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY: the caller knows strings, as everybody does


class BlockSettings:
    """Handlers of what disks may do, and how large they are."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- limits --------------------------------------------------------------------------------

    @serves(p.DOMAIN_SET_BLOCK_IO_TUNE)
    async def set_io_tune(self, call: Call, args: p.DomainSetBlockIoTuneArgs) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG)
        given = limits.KINDS.check(args.params)
        limits.check_given(given)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)

            def change(model: Domain) -> None:
                disk = _disk(model, args.disk)
                limits.set_limits(model, disk, limits.changed(model, disk, given))

            if config:
                change(guest.persistent_model().copy())  # refused before anything is done
            if live:
                await self._set_live(guest.require_running(), args, given)
            if config:
                await rewrite(self._driver, guest, change)

    async def _set_live(
        self, running: RunningGuest, args: p.DomainSetBlockIoTuneArgs, given: limits.Limits
    ) -> None:
        disk = _disk(running.model, args.disk)
        tune = limits.changed(running.model, disk, given)
        limits.check_peaks(tune)
        if has_medium(disk):  # else the next one is held to it
            command, arguments = throttling(disk, tune)
            await running.execute(command, arguments)
        limits.set_limits(running.model, disk, tune)
        running.set_document()
        running.save()
        told = [TypedParam("blkdeviotune.disk", typed_value("string", args.disk))]
        told += [TypedParam(f"blkdeviotune.{one.field}", one.value) for one in args.params]
        self._driver.events.emit(DomainEventID.TUNABLE, running.guest.ref(), told)

    @serves(p.DOMAIN_GET_BLOCK_IO_TUNE)
    async def get_io_tune(
        self, call: Call, args: p.DomainGetBlockIoTuneArgs
    ) -> p.DomainGetBlockIoTuneRet:
        """Of a guest that runs, what QEMU says."""
        check_exclusive(args.flags)
        check_flags(call, args.flags, _LIVE | _CONFIG | _STRING_OKAY)
        guest = self._driver.find(args.dom)
        live, _ = affected(guest, args.flags)
        if args.nparams == 0:
            return p.DomainGetBlockIoTuneRet(*limits.KINDS.answer({}, 0))
        if not args.disk:
            raise senseless("disk in virDomainGetBlockIoTune must not be NULL")
        if live:
            found = await _ask(call, guest, args.disk)
        else:
            found = limits.limits_of(_disk(guest.persistent_model(), args.disk))
        return p.DomainGetBlockIoTuneRet(*limits.KINDS.answer(found, args.nparams))

    # -- sizes ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_BLOCK_RESIZE)
    async def resize(self, call: Call, args: p.DomainBlockResizeArgs) -> None:
        """Of a guest that runs; the image grows or shrinks, and the guest is told."""
        known = DomainBlockResizeFlags.BYTES | DomainBlockResizeFlags.CAPACITY
        check_flags(call, args.flags, known)
        if not args.disk:
            raise senseless("string path in virDomainBlockResize must not be empty")
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            disk = _disk(running.model, args.disk)
            _check_resizable(disk)
            size = new_size(disk, args.size, args.flags)
            layers = running.record.runtime["nodes"][alias_of(disk)]["layers"]
            await running.execute("block_resize", {"node-name": layers[0][0], "size": size})


def _disk(model: Domain, name: str) -> Disk:
    return named_disk(model.devices.disks, name, f"disk '{name}' was not found in the domain")


async def _ask(call: Call, guest: Guest, name: str) -> dict[str, int | str]:
    async with guest.jobs.hold(Job.QUERY, call.procedure.name):
        running = guest.require_running()
        alias = alias_of(_disk(running.model, name))
        answer: Any = await running.execute("query-block")
    with reading("query-block"):
        for item in answer:
            if device_of(str(item.get("qdev", ""))) == alias and "inserted" in item:
                return throttled(item["inserted"])
    raise InternalError(f"disk '{name}' has no medium", domain=ErrorDomain.QEMU)


def _check_resizable(disk: Disk) -> None:
    what = ""
    if not has_medium(disk):
        what = "is empty"
    elif disk.readonly:
        what = "is read-only"
    elif disk.type in ("nvme", "vhostuser"):
        what = f"is of type '{disk.type}'"
    elif disk.source.slices.slices:
        what = "is a part of its image"
    if what:
        raise OperationUnsupported(
            f"disk '{disk.target.dev}' {what}, and cannot be resized", domain=ErrorDomain.QEMU
        )
