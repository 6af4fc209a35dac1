# SPDX-License-Identifier: Apache-2.0
"""The start of a guest.

A start is a scope. Its record is written first, with every resource that is going to be made, so
that whoever finds the record can undo them; whatever fails, the start undoes itself. The steps
have names (:mod:`virloom.drivers.qemu.process.steps`), and a kill at any of them leaves nothing
that the next opening of the driver does not put right.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial

from virloom.drivers.qemu.block import volumes
from virloom.drivers.qemu.block.missing import Missing, do_without, drop_missing, may_be_missing
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.capabilities.host_features import resolve_cpu
from virloom.drivers.qemu.capabilities.kvm import require_usable
from virloom.drivers.qemu.command.context import CommandLine
from virloom.drivers.qemu.command.environment import guest_environment
from virloom.drivers.qemu.confine.hugepages import plan_hugepages
from virloom.drivers.qemu.confine.labels import check_models
from virloom.drivers.qemu.confine.promises import check_promises
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.firmware import choose_firmware, choose_template
from virloom.drivers.qemu.limits import groups as limits
from virloom.drivers.qemu.limits.devices import restrict_devices
from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.process import live
from virloom.drivers.qemu.process.bring_up import bring_up
from virloom.drivers.qemu.process.hooked import tell_hooks
from virloom.drivers.qemu.process.logs import open_log
from virloom.drivers.qemu.process.prepare import plan_groups, prepare
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.start import Start
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.tuning import refuse_unserved
from virloom.drivers.qemu.process.undo import close_log, explained, has_died, undo
from virloom.drivers.qemu.validate import validate_start
from virloom.drivers.qemu.validate.devices import check_cards_start
from virloom.drivers.qemu.validate.served import check_served
from virloom.drivers.runtime.turns import let_others
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, ResourceBusy, SystemFailure, VirloomError
from virloom.host.files import Directory
from virloom.host.guardian import MARKER
from virloom.host.process import SpawnRequest, start


class Launch(Start):
    """One start of one guest, step by step; of its arguments :class:`Start` tells."""

    async def run(self) -> RunningGuest:
        """Starts the guest.

        Raises:
            VirloomError: It did not start, and nothing of it is left.
        """
        with self.driver.settler.starting():
            return await self._run()

    async def _run(self) -> RunningGuest:
        try:
            if self.model.type == "kvm":
                await require_usable(self.driver.directories.cache, self.model.name)
            await self._reach_areas()
            gone = await self._find_volumes()
            choose_firmware(self.model, self.driver.directories)
            choose_template(self.model, self.driver.directories)
            check_models(self.driver, self.model)
            refuse_unserved(self.model)
            check_promises(self.driver.config, self.model)
            self.hugepages = plan_hugepages(self.driver, self.model, str(self.directory))
            plan_groups(self)
            await let_others()
            caps = await self.driver.capabilities.apply(self._emulator(), self._checked)
            resolve_cpu(self.model)
            assign_aliases(self.model)
            live.prepare(self.model, str(self.directory), self.driver.config)
            await self.guest.hooks_done()  # those of its last end
            self.hooked = True
            await self.ask_hooks("prepare")
            self.driver.spawner.warm()  # it comes up meanwhile
            await let_others()
            self._drop_missing(gone)
            with ExitStack() as opened:
                command = await prepare(self, opened, caps)
                await self.ask_hooks("start")
                await self._spawn(command, opened)
            return await bring_up(self, await self._connect(command))
        except BaseException as exc:
            died = isinstance(exc, VirloomError) and await has_died(self)
            await undo(self, told=not isinstance(exc, ResourceBusy))
            if self.hooked:
                await tell_hooks(self.driver, self.guest.name, self.model)
            words = await close_log(self, died)
            if isinstance(exc, VirloomError) and words:
                raise explained(self, exc, words) from exc
            raise
        finally:
            self.lent.close()
            self.ports.release()
            if self.logd is not None:
                await self.logd.close()

    async def _reach_areas(self) -> None:
        """Asks for the areas that the guest needs; one that is not installed is said first."""
        devices = self.model.devices
        if any(interface.type == "network" for interface in devices.interfaces):
            from virloom.drivers.qemu.nics.pools import mark_functions

            await mark_functions(self.driver, devices.interfaces)
            async with self.driver.networks.used():
                pass
        if any(interface.filterref is not None for interface in devices.interfaces):
            async with self.driver.filters.used():
                pass
        if any(disk.type == "volume" for disk in devices.disks):
            async with self.driver.areas.opened("storage"):
                pass
        if self.driver.locks is not None:
            await self.driver.locks.ready()

    def _checked(self, caps: BinaryCaps) -> BinaryCaps:
        validate_start(self.model, caps)
        check_served(self.model)
        if self.driver.locks is not None:
            self.driver.locks.check(self.model)
        check_cards_start(self.model, caps)
        return caps

    def _emulator(self) -> str:
        emulator = self.model.devices.emulator
        if not emulator:
            raise InternalError(f"domain '{self.guest.name}' has no emulator")
        return emulator

    async def _find_volumes(self) -> list[Missing]:
        """Finds the volumes; those that are missing and may be the guest does without."""
        lenient = partial(may_be_missing, restoring=self.incoming is not None)
        missing = await volumes.resolve(self.driver, self.model.devices.disks, lenient)
        return [do_without(self.model, disk, None) for disk in missing]

    def _drop_missing(self, volumes_gone: list[Missing]) -> None:
        """Does without the images that are not there and need not be, and says so."""
        images = drop_missing(self.model, restoring=self.incoming is not None)
        for gone in [*volumes_gone, *images]:
            self.driver.events.emit(
                DomainEventID.DISK_CHANGE,
                self.guest.ref(),
                gone.path,
                None,
                gone.alias,
                int(gone.reason),
            )

    async def _spawn(self, command: CommandLine, opened: ExitStack) -> None:
        log = self.log = await open_log(self.driver, self.guest, self.logd)
        environment = self._environment() | command.environment
        variables = [f"{name}={value}" for name, value in environment.items()]
        await log.starting(command.argv, variables)
        record = self.record
        if record.autodestroy:
            self.driver.expect_autodestroy(record)
        restrict_devices(self.groups, self.model)
        owner = self.driver.owner_of(self.ids)
        request = SpawnRequest(
            argv=command.argv,
            env=environment,
            stdout=log.fileno(),
            stderr=log.fileno(),
            pass_fds=self.pass_fds,
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            groups=self.ids.groups if self.driver.dac.privileged else None,
            cgroups=self.groups.entrances() if self.groups is not None else (),
            confinement=self.confinement,
        )
        try:
            self.process = await start(request, self.driver.spawner)
        except SystemFailure as exc:  # it is the host's fault, not the caller's, as in libvirt
            raise InternalError(exc.message, domain=ErrorDomain.QEMU) from exc
        reached("spawned")
        record.process = self.process.identity
        record.stage = "starting"
        record.runtime |= {
            **log.started(),
            "nodes": {
                alias: {"top": nodes.top, "layers": [list(names) for names in nodes.layers]}
                for alias, nodes in command.nodes.items()
            },
            "fdsets": command.fdsets,
            "next_node": command.next_node,
            "next_fdset": command.next_fdset,
        }
        limits.note_groups(record, self.groups)
        record.save()
        if record.autodestroy:
            self.driver.adopt_autodestroy(record)
        reached("process-recorded")

    def _environment(self) -> dict[str, str]:
        """QEMU's environment: ours is none of its business."""
        common = guest_environment(self.directory, os.environ.get("PATH", os.defpath))
        return common | {"TMPDIR": str(self.directory), MARKER: self.record.marker}

    async def _connect(self, command: CommandLine) -> live.Questions:
        """Returns when QEMU answers; all questions have been asked by then."""
        patience = self.driver.patience
        limit = patience.greeting
        with Directory(self.directory) as directory:
            connection = directory.connect_unix(self.record.monitor)
        monitor = self.monitor = Monitor(
            connection, guest=self.guest.name, patience=patience.answer
        )
        fresh = self.incoming is None
        questions = live.ask(monitor, self.model, command, limit, fresh=fresh)
        await monitor.ready(limit)
        reached("monitor-connected")
        return questions
