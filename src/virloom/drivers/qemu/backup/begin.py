# SPDX-License-Identifier: Apache-2.0
"""A backup begins: for all disks at the same moment, or not at all.

==========================  ====================================================================
what there is               what becomes of it when the daemon is killed
==========================  ====================================================================
record with the backup      images and nodes that were made are removed
NBD server                  it is stopped, and the same
QEMU's jobs (one            the backup goes on; a checkpoint that was made with it is kept; what
transaction)                clients cannot read yet is shown to them
stage ``running``           the backup goes on
==========================  ====================================================================
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from virloom.drivers.qemu.backup.ending import cancel_parts, finalize
from virloom.drivers.qemu.backup.images import (
    Planned,
    check_place,
    image_of,
    make_image,
    path_of,
)
from virloom.drivers.qemu.backup.request import check_exports, complete
from virloom.drivers.qemu.backup.server import show_images, start_server
from virloom.drivers.qemu.backup.state import Part, RunningBackup, keep
from virloom.drivers.qemu.block.live_nodes import next_layer
from virloom.drivers.qemu.blockjobs import job as blockjob
from virloom.drivers.qemu.blockjobs.begin import Preparation, unheard
from virloom.drivers.qemu.blockjobs.job import BlockJob
from virloom.drivers.qemu.blockjobs.machine import Input
from virloom.drivers.qemu.blockjobs.rules import check_idle
from virloom.drivers.qemu.checkpoints import create, files
from virloom.drivers.qemu.checkpoints.bitmaps import (
    Action,
    Bitmaps,
    is_sound,
    merge_actions,
    read_bitmaps,
    remove_action,
)
from virloom.drivers.qemu.checkpoints.delete import discard
from virloom.drivers.qemu.checkpoints.nodes import chain_of, transaction
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.monitor.commands.backup import backup_action
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.runtime.checkpoints import disk_named
from virloom.drivers.runtime.jobs import AsyncJob, Job
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    NoDomainCheckpoint,
    OperationInvalid,
    OperationUnsupported,
    VirloomError,
)
from virloom.model.snapshot import Backup, BackupDisk, Checkpoint

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def begin(
    driver: QemuDriver,
    guest: Guest,
    model: Backup,
    checkpoint: Checkpoint | None,
    *,
    reuse: bool,
    owner: str,
) -> None:
    """Begins a backup, which then goes on by itself.

    Args:
        checkpoint: Made at the same moment.
        reuse: The images are there.
        owner: Who holds the domain's job.

    Raises:
        OperationUnsupported: The guest does not run.
        VirloomError: It cannot be done; nothing is left of it.
    """
    release = await guest.jobs.begin_async(AsyncJob.BACKUP, owner)
    try:
        async with guest.jobs.hold(Job.MODIFY, owner):
            if not guest.active:
                raise OperationUnsupported(
                    "cannot perform disk backup for inactive domain", domain=ErrorDomain.QEMU
                )
            running = guest.require_running(ErrorDomain.QEMU)
            if running.backup is not None:
                raise OperationInvalid(
                    "another backup job is already running", domain=ErrorDomain.QEMU
                )
            beginning = _Beginning(driver, running, model, checkpoint, reuse=reuse)
            beginning.backup.release = release
            await beginning.run()
    except BaseException:
        release()
        raise


class _Beginning:
    """One backup until it goes on by itself."""

    def __init__(
        self,
        driver: QemuDriver,
        running: RunningGuest,
        model: Backup,
        checkpoint: Checkpoint | None,
        *,
        reuse: bool,
    ) -> None:
        self._driver = driver
        self._running = running
        self._checkpoint = checkpoint
        self.backup = RunningBackup(model, reuse=reuse)
        self._jobs: list[BlockJob] = []

    async def run(self) -> None:
        """Begins it."""
        running, guest = self._running, self._running.guest
        planned, actions = await self._plan()
        keep(running, self.backup)
        if self._checkpoint is not None:
            create.note(running, self._checkpoint)
        reached("backup-noted")
        try:
            await self._make(planned, actions)
        except VirloomError:
            if guest.running is running:
                create.drop_note(running)
                await finalize(self._driver, running, self.backup, told=False)
            raise
        guest.job, guest.completed_job = self.backup.job, None
        try:
            await self._show()
        except VirloomError:
            if guest.running is running:
                await self._give_up()
            raise

    # -- what is to be done --------------------------------------------------------------------

    async def _plan(self) -> tuple[list[Planned], list[Action]]:
        """Everything that can be refused before anything is made."""
        running, model = self._running, self.backup.model
        name = self._checkpoint.name if self._checkpoint is not None else None
        complete(model, running.model, name or str(int(time.time())))
        check_exports(model)
        ends: list[Action] = []
        if self._checkpoint is not None:
            ends = create.prepare(self._driver, running, self._checkpoint)
        answer = await running.execute("query-named-block-nodes", {"flat": True})
        bitmaps = read_bitmaps(answer)
        sizes = {str(node["node-name"]): int(node["image"]["virtual-size"]) for node in answer}
        planned, actions = [], []
        for told in model.disks.disks:
            if told.backup:
                one = self._plan_disk(told, bitmaps, sizes)
                planned.append(one)
                actions += self._actions(one, bitmaps)
        return planned, actions + ends

    def _plan_disk(self, told: BackupDisk, bitmaps: Bitmaps, sizes: dict[str, int]) -> Planned:
        running = self._running
        disk = disk_named(running.model, told.name)
        chain = chain_of(running, disk) if disk is not None else []
        if disk is None or not chain:
            raise OperationUnsupported(
                f"disk '{told.name}' cannot be backed up", domain=ErrorDomain.QEMU
            )
        check_idle(running, disk)
        if told.incremental:
            self._check_incremental(told, chain, bitmaps)
        image = image_of(told)
        taken = [part.path for part in self.backup.parts]
        check_place(told, taken, reuse=self.backup.reuse)
        layer = next_layer(running, image)
        told.index = layer.number
        job = BlockJob("backup", disk, chain[0], {})
        self.backup.parts.append(Part(told.name or "", job.id, layer.node, path_of(told)))
        self._jobs.append(job)
        return Planned(told, disk, chain, sizes[chain[0]], layer)

    def _check_incremental(self, told: BackupDisk, chain: list[str], bitmaps: Bitmaps) -> None:
        since = told.incremental or ""
        if files.checkpoints_of(self._driver, self._running.guest).get(since) is None:
            raise NoDomainCheckpoint(
                f"Checkpoint '{since}' for incremental backup of disk '{told.name}' not found",
                domain=ErrorDomain.QEMU,
            )
        if not is_sound(chain, bitmaps, since):
            raise create.inconsistent(since, told.name or "")

    def _actions(self, one: Planned, bitmaps: Bitmaps) -> list[Action]:
        """What QEMU does for a disk at the moment of the backup."""
        job, since = self._jobs[-1], one.told.incremental
        top, node = one.chain[0], one.layer.node
        if self.backup.pull:
            actions = []
            if since:
                name = one.told.export_bitmap or ""
                actions = merge_actions(one.chain, bitmaps, since, node, name)
            return [*actions, backup_action(job.id, top, node, sync="none")]
        if not since:
            return [backup_action(job.id, top, node, sync="full")]
        name = f"backup-{one.told.name}"
        if name in bitmaps.get(top, {}):
            raise ConfigUnsupported(
                f"disk '{one.told.name}' has a bitmap '{name}'", domain=ErrorDomain.QEMU
            )
        return [
            *merge_actions(one.chain, bitmaps, since, top, name),
            backup_action(job.id, top, node, sync="incremental", bitmap=name),
        ]

    # -- and how -------------------------------------------------------------------------------

    async def _make(self, planned: list[Planned], actions: list[Action]) -> None:
        """Makes what is needed, and has QEMU begin; what was made goes if that fails."""
        running, backup = self._running, self.backup
        async with AsyncExitStack() as stack:
            for one, part, job in zip(planned, backup.parts, self._jobs, strict=True):
                preparation = await stack.enter_async_context(Preparation(running, job))
                await make_image(self._driver, running, backup, part, one, preparation)
                if one.told.incremental and not backup.pull:
                    gone = remove_action(one.chain[0], f"backup-{part.target}")
                    preparation.note([(gone["type"], gone["data"])])
            keep(running, backup)
            if backup.pull:
                await start_server(self._driver, running, backup)
            reached("before-transaction")
            async with unheard(running, [job.id for job in self._jobs]):
                await transaction(running, actions)
        reached("backup-begun")
        for job in self._jobs:
            if not job.concluded.is_set():
                job.move(Input.STARTED)
            blockjob.keep(running, job)

    async def _show(self) -> None:
        """The rest, once QEMU has begun."""
        running, backup = self._running, self.backup
        if backup.pull:
            await show_images(running, backup)
        if self._checkpoint is not None:
            await create.keep(self._driver, running, self._checkpoint)
            create.drop_note(running)
        backup.stage = "running"
        keep(running, backup)
        reached("backup-running")

    async def _give_up(self) -> None:
        """QEMU has begun, and it comes to nothing all the same: nobody is told of its end."""
        running = self._running
        if self._checkpoint is not None:
            await discard(self._driver, running, [self._checkpoint], all_there=False)
            create.drop_note(running)
        self.backup.silent = True
        await cancel_parts(self._driver, running, self.backup, wait=True)
