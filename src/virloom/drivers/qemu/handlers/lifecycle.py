# SPDX-License-Identifier: Apache-2.0
"""Domains start, pause, go on, are told to end, and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import (
    admit,
    complete,
    define,
    parse,
    remove_definition,
    withdraw,
)
from virloom.drivers.qemu.agent.access import has_agent
from virloom.drivers.qemu.agent.power import power_by_agent
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.process.logs import remove_logs
from virloom.drivers.qemu.process.running import DESTROYED, RunningGuest
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.saving.managed import has_managed, open_managed, remove_managed
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainDefineFlags,
    DomainDestroyFlagsValues,
    DomainEventSuspendedDetailType,
    DomainPausedReason,
    DomainRunningReason,
    DomainShutdownFlagValues,
    DomainState,
    DomainUndefineFlagsValues,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, VirloomError
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

if TYPE_CHECKING:
    from virloom.drivers.qemu.saving.restore import Incoming

_START_FLAGS = (
    DomainCreateFlags.START_PAUSED
    | DomainCreateFlags.START_AUTODESTROY
    | DomainCreateFlags.START_BYPASS_CACHE
    | DomainCreateFlags.START_FORCE_BOOT
    | DomainCreateFlags.START_RESET_NVRAM
)


#: A document that comes along has no saved state to be forced past.
_CREATE_FLAGS = (
    DomainCreateFlags.START_PAUSED
    | DomainCreateFlags.START_AUTODESTROY
    | DomainCreateFlags.START_VALIDATE
    | DomainCreateFlags.START_RESET_NVRAM
)


class Lifecycle:
    """Handlers of the life cycle."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- documents become domains --------------------------------------------------------------

    @serves(p.DOMAIN_CREATE_XML)
    async def create_xml(self, call: Call, args: p.DomainCreateXMLArgs) -> p.DomainCreateXMLRet:
        check_flags(call, args.flags, _CREATE_FLAGS)
        document = parse(args.xml_desc, bool(args.flags & DomainCreateFlags.START_VALIDATE))
        model = await complete(self._driver, document, to_run=True)
        guest = admit(self._driver, model, to_run=True)
        try:
            async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
                await self._start(call, guest, model, args.flags)
        except BaseException:
            withdraw(self._driver, guest)
            raise
        return p.DomainCreateXMLRet(guest.ref())

    @serves(p.DOMAIN_DEFINE_XML)
    async def define_xml(self, call: Call, args: p.DomainDefineXMLArgs) -> p.DomainDefineXMLRet:
        return p.DomainDefineXMLRet(await self._define(args.xml, validate=False))

    @serves(p.DOMAIN_DEFINE_XML_FLAGS)
    async def define_xml_flags(
        self, call: Call, args: p.DomainDefineXMLFlagsArgs
    ) -> p.DomainDefineXMLFlagsRet:
        check_flags(call, args.flags, DomainDefineFlags.VALIDATE)
        validate = bool(args.flags & DomainDefineFlags.VALIDATE)
        return p.DomainDefineXMLFlagsRet(await self._define(args.xml, validate=validate))

    async def _define(self, text: str, *, validate: bool) -> NonnullDomain:
        model = await complete(self._driver, parse(text, validate))
        return (await define(self._driver, model)).ref()

    @serves(p.DOMAIN_UNDEFINE)
    async def undefine(self, call: Call, args: p.DomainUndefineArgs) -> None:
        await self._undefine(call, args.dom, 0)

    @serves(p.DOMAIN_UNDEFINE_FLAGS)
    async def undefine_flags(self, call: Call, args: p.DomainUndefineFlagsArgs) -> None:
        known = DomainUndefineFlagsValues
        check_flags(
            call,
            args.flags,
            known.MANAGED_SAVE
            | known.SNAPSHOTS_METADATA
            | known.CHECKPOINTS_METADATA
            | known.NVRAM
            | known.KEEP_NVRAM
            | known.TPM
            | known.KEEP_TPM,
        )
        await self._undefine(call, args.dom, args.flags)

    async def _undefine(self, call: Call, ref: NonnullDomain, flags: int) -> None:
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            await remove_definition(self._driver, guest, flags)

    # -- start ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_CREATE)
    async def create(self, call: Call, args: p.DomainCreateArgs) -> None:
        await self._create(call, args.dom, 0)

    @serves(p.DOMAIN_CREATE_WITH_FLAGS)
    async def create_with_flags(
        self, call: Call, args: p.DomainCreateWithFlagsArgs
    ) -> p.DomainCreateWithFlagsRet:
        check_flags(call, args.flags, _START_FLAGS)
        guest = await self._create(call, args.dom, args.flags)
        return p.DomainCreateWithFlagsRet(guest.ref())

    async def _create(self, call: Call, ref: NonnullDomain, flags: int) -> Guest:
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            if guest.active:
                raise OperationInvalid("domain is already running", domain=ErrorDomain.QEMU)
            if not await self._restored(call, guest, flags):
                await self._start(call, guest, guest.persistent_model().copy(), flags)
        return guest

    async def _restored(self, call: Call, guest: Guest, flags: int) -> bool:
        """Whether the domain has gone on from the state that was kept of it, if there was one."""
        if not has_managed(self._driver, guest):
            return False
        if flags & DomainCreateFlags.START_FORCE_BOOT:
            remove_managed(self._driver, guest)
            return False
        from virloom.drivers.qemu.saving.restore import restored_model  # virloom.drivers.qemu.later

        bypass = bool(flags & DomainCreateFlags.START_BYPASS_CACHE)
        incoming = open_managed(self._driver, guest, bypass_cache=bypass)
        if incoming is None:
            return False
        try:
            model = await restored_model(self._driver, incoming, None)
            if flags & DomainCreateFlags.START_PAUSED:
                incoming.resume = False
                incoming.paused_detail = DomainEventSuspendedDetailType.PAUSED
            await self._start(call, guest, model, flags, incoming)
        finally:
            incoming.close()
        return True

    async def _start(
        self,
        call: Call,
        guest: Guest,
        model: Domain,
        flags: int,
        incoming: Incoming | None = None,
    ) -> None:
        """Runs *model*; the guest ends with the call's connection if the flags say so."""
        from virloom.drivers.qemu.process.launch import Launch  # see virloom.drivers.qemu.later

        autodestroy = bool(flags & DomainCreateFlags.START_AUTODESTROY)
        launch = Launch(
            self._driver,
            guest,
            model,
            paused=bool(flags & DomainCreateFlags.START_PAUSED),
            autodestroy=autodestroy,
            reset_nvram=bool(flags & DomainCreateFlags.START_RESET_NVRAM),
            incoming=incoming,
        )
        running = await launch.run()
        if not autodestroy:
            return
        if call.session.closed:  # it went while we were starting
            await stop(running, DESTROYED)
            raise OperationInvalid("the connection was closed while the domain started")
        running.undo_autodestroy = call.session.on_close(lambda: _end_with_connection(running))

    # -- pause and go on -----------------------------------------------------------------------

    @serves(p.DOMAIN_SUSPEND)
    async def suspend(self, call: Call, args: p.DomainSuspendArgs) -> None:
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.SUSPEND, call.procedure.name):
            running = guest.require_running()
            if guest.state == DomainState.PMSUSPENDED:
                raise OperationInvalid("domain is pmsuspended", domain=ErrorDomain.QEMU)
            if guest.state == DomainState.PAUSED:
                return
            running.pause_reason = DomainPausedReason.USER
            await running.execute("stop")
            await running.leases.give_up()

    @serves(p.DOMAIN_RESUME)
    async def resume(self, call: Call, args: p.DomainResumeArgs) -> None:
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            if guest.state == DomainState.PMSUSPENDED:
                raise OperationInvalid("domain is pmsuspended", domain=ErrorDomain.QEMU)
            if guest.state == DomainState.RUNNING:
                raise OperationInvalid("domain is already running", domain=ErrorDomain.QEMU)
            if guest.state == DomainState.CRASHED:
                raise OperationInvalid(
                    "domain has crashed", domain=ErrorDomain.QEMU, remedy="reset or destroy it"
                )
            running.resume_reason = DomainRunningReason.UNPAUSED
            await running.go_on()

    # -- ask the guest to end ------------------------------------------------------------------

    @serves(p.DOMAIN_SHUTDOWN)
    async def shutdown(self, call: Call, args: p.DomainShutdownArgs) -> None:
        await self._power_down(call, args.dom, 0, reboot=False)

    @serves(p.DOMAIN_SHUTDOWN_FLAGS)
    async def shutdown_flags(self, call: Call, args: p.DomainShutdownFlagsArgs) -> None:
        await self._power_down(call, args.dom, args.flags, reboot=False)

    @serves(p.DOMAIN_REBOOT)
    async def reboot(self, call: Call, args: p.DomainRebootArgs) -> None:
        await self._power_down(call, args.dom, args.flags, reboot=True)

    async def _power_down(
        self, call: Call, ref: NonnullDomain, flags: int, *, reboot: bool
    ) -> None:
        """Tells the guest's agent if there is one, else presses the power button.

        By the button a reboot is a power-off after which the guest starts again.
        """
        known = DomainShutdownFlagValues
        check_flags(call, flags, known.ACPI_POWER_BTN | known.GUEST_AGENT)
        guest = self._driver.find(ref)
        # libvirt's domain of this error: the driver's where it asks the agent first.
        by_driver = not reboot or flags == known.GUEST_AGENT
        domain = ErrorDomain.QEMU if by_driver else ErrorDomain.DOMAIN
        running = guest.require_running(domain)
        if flags & known.GUEST_AGENT or (not flags and has_agent(running)):
            try:
                await power_by_agent(guest, call.procedure.name, reboot=reboot)
                return
            except VirloomError as exc:
                if flags == known.GUEST_AGENT:
                    raise
                guest.note("agent", f"{call.procedure.name}: {exc.message}")
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running(domain)
            running.fake_reboot = reboot
            running.save()
            await running.execute("system_powerdown")

    @serves(p.DOMAIN_RESET)
    async def reset(self, call: Call, args: p.DomainResetArgs) -> None:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            await running.execute("system_reset")
            running.fake_reboot = False
            if guest.state == DomainState.CRASHED:
                running.shutdown_seen = False
                guest.set_state(DomainState.PAUSED, DomainPausedReason.CRASHED)

    # -- end it --------------------------------------------------------------------------------

    @serves(p.DOMAIN_DESTROY)
    async def destroy(self, call: Call, args: p.DomainDestroyArgs) -> None:
        await self._destroy(args.dom, 0)

    @serves(p.DOMAIN_DESTROY_FLAGS)
    async def destroy_flags(self, call: Call, args: p.DomainDestroyFlagsArgs) -> None:
        known = DomainDestroyFlagsValues
        check_flags(call, args.flags, known.GRACEFUL | known.REMOVE_LOGS)
        await self._destroy(args.dom, args.flags)

    async def _destroy(self, ref: NonnullDomain, flags: int) -> None:
        """Ends the process, without waiting for a job: whoever holds one sees the monitor go."""
        guest = self._driver.find(ref)
        running = guest.require_running()
        if guest.job is not None:  # QEMU may be writing to somebody who does not read
            guest.job.on_cancel()
        await stop(running, DESTROYED, graceful=bool(flags & DomainDestroyFlagsValues.GRACEFUL))
        if flags & DomainDestroyFlagsValues.REMOVE_LOGS:
            await running.log.settled()
            remove_logs(self._driver.directories.guest_log(guest.name))


async def _end_with_connection(running: RunningGuest) -> None:
    if running.guest.running is running:
        await stop(running, DESTROYED)
