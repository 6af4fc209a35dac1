# SPDX-License-Identifier: Apache-2.0
"""Devices are attached, detached and changed: in the persistent document, live, or both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.hotplug import persistent
from virloom.drivers.qemu.hotplug.fragment import fragment_of, parse_device, parse_new
from virloom.drivers.qemu.hotplug.matching import IN_GUEST, find, find_alias
from virloom.drivers.qemu.persistent import write_definition
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainDeviceModifyFlags
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_LIVE = DomainDeviceModifyFlags.LIVE
_BOTH = _LIVE | DomainDeviceModifyFlags.CONFIG

Live = Callable[[RunningGuest], Awaitable[None]]


class Devices:
    """Handlers of devices."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_ATTACH_DEVICE)
    async def attach_device(self, call: Call, args: p.DomainAttachDeviceArgs) -> None:
        await self._attach(call, args.dom, args.xml, _LIVE)

    @serves(p.DOMAIN_ATTACH_DEVICE_FLAGS)
    async def attach_device_flags(self, call: Call, args: p.DomainAttachDeviceFlagsArgs) -> None:
        check_flags(call, args.flags, _BOTH)
        await self._attach(call, args.dom, args.xml, args.flags)

    @serves(p.DOMAIN_DETACH_DEVICE)
    async def detach_device(self, call: Call, args: p.DomainDetachDeviceArgs) -> None:
        await self._detach(call, args.dom, args.xml, _LIVE)

    @serves(p.DOMAIN_DETACH_DEVICE_FLAGS)
    async def detach_device_flags(self, call: Call, args: p.DomainDetachDeviceFlagsArgs) -> None:
        check_flags(call, args.flags, _BOTH)
        await self._detach(call, args.dom, args.xml, args.flags)

    @serves(p.DOMAIN_DETACH_DEVICE_ALIAS)
    async def detach_device_alias(self, call: Call, args: p.DomainDetachDeviceAliasArgs) -> None:
        from virloom.drivers.qemu.hotplug.detach import detach  # virloom.drivers.qemu.later

        check_flags(call, args.flags, _BOTH)

        def change(model: Domain) -> None:
            device = find_alias(model, args.alias)
            fragment_of(device).remove(model, device)

        async def live(running: RunningGuest) -> None:
            device = find_alias(running.model, args.alias)
            await detach(self._driver, running, fragment_of(device))

        await self._change(call, args.dom, args.flags, change, live)

    @serves(p.DOMAIN_UPDATE_DEVICE_FLAGS)
    async def update_device_flags(self, call: Call, args: p.DomainUpdateDeviceFlagsArgs) -> None:
        from virloom.drivers.qemu.hotplug.update import update  # virloom.drivers.qemu.later

        known = DomainDeviceModifyFlags
        check_flags(call, args.flags, _BOTH | known.FORCE)
        affected(self._driver.find(args.dom), args.flags & _BOTH)
        changed = parse_new(args.xml)
        force = bool(args.flags & known.FORCE)
        await self._change(
            call,
            args.dom,
            args.flags & _BOTH,
            lambda model: persistent.update(model, changed.copy()),
            lambda running: update(self._driver, running, changed.copy(), force=force),
        )

    async def _attach(self, call: Call, ref: NonnullDomain, xml: str, flags: int) -> None:
        from virloom.drivers.qemu.hotplug.attach import attach  # virloom.drivers.qemu.later

        affected(self._driver.find(ref), flags)  # libvirt looks at that first
        new = parse_new(xml)
        persistent.identify(new)
        await self._change(
            call,
            ref,
            flags,
            lambda model: persistent.attach(model, new.copy()),
            lambda running: attach(self._driver, running, new.copy()),
        )

    async def _detach(self, call: Call, ref: NonnullDomain, xml: str, flags: int) -> None:
        affected(self._driver.find(ref), flags)
        wanted = parse_device(xml)

        async def live(running: RunningGuest) -> None:
            from virloom.drivers.qemu.hotplug.detach import detach
            from virloom.drivers.qemu.hotplug.rules import check_detachable

            check_detachable(wanted)
            device = find(running.model, wanted, IN_GUEST)
            same = isinstance(device, type(wanted.device))
            await detach(self._driver, running, wanted.of(device) if same else fragment_of(device))

        await self._change(call, ref, flags, lambda model: persistent.detach(model, wanted), live)

    async def _change(
        self,
        call: Call,
        ref: NonnullDomain,
        flags: int,
        change: Callable[[Domain], None],
        live: Live,
    ) -> None:
        """Changes the running guest only when the document can be changed, and before it is.

        No lock is held meanwhile: the document is changed as it is when the guest is done.
        """
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            to_live, to_config = affected(guest, flags)
            if to_live and to_config:
                await persistent.changed(self._driver, guest, change)
            if to_live:
                await self._change_live(guest.require_running(), live)
            if to_config:
                await self._rewrite(guest, change)

    async def _change_live(self, running: RunningGuest, live: Live) -> None:
        from virloom.drivers.qemu.hotplug.recovery import (
            settle_before,
        )  # virloom.drivers.qemu.later

        await settle_before(self._driver, running)
        await live(running)

    async def _rewrite(self, guest: Guest, change: Callable[[Domain], None]) -> None:
        async with guest.writing:
            model = await persistent.changed(self._driver, guest, change)
            await write_definition(self._driver, guest, model)
