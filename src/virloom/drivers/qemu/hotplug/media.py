# SPDX-License-Identifier: Apache-2.0
"""Media of CD and floppy drives while the guest runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.block.chain import LOCAL_KINDS
from virloom.drivers.qemu.blockjobs.rules import check_idle
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.throttling import is_throttled, throttling
from virloom.drivers.qemu.hotplug.attach import describe, do_steps
from virloom.drivers.qemu.hotplug.backends import forget, leftovers
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.hotplug.steps import Step
from virloom.drivers.qemu.limits.devices import restrict_devices, update_devices
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: What is described with a drive and goes on when its medium changes, or follows it.
_NOT_OF_MEDIA = ("device_add", "block_set_io_throttle")


async def change_medium(
    driver: QemuDriver, running: RunningGuest, drive: Fragment, new: Any, *, force: bool
) -> None:
    """Takes the medium out of a drive, and puts that of *new* in if it has one.

    Args:
        drive: The drive, in the live document.
        force: Open the tray although the guest has locked it.

    Raises:
        BlockCopyActive: A job works on the disk.
        InternalError: QEMU refuses; the former medium stays.
        VirloomError: The new one cannot be opened.
    """
    if _is_local(new) and _is_local(drive.device) and image_path(new) == image_path(drive.device):
        return  # it is in the drive already
    check_idle(running, drive.device)
    caps = await driver.capabilities.apply(emulator_of(running.model), lambda caps: caps)
    loaded = drive.of(_loaded(drive.device, new))
    try:
        with ExitStack() as opened:
            await _exchange(driver, running, drive, loaded, caps, opened, force=force)
        among = drive.among(running.model)
        among[[item is drive.device for item in among].index(True)] = loaded.device
    finally:
        update_devices(running)
    running.set_document()
    running.save()


def _is_local(disk: Any) -> bool:
    return (disk.type or "file") in LOCAL_KINDS


def _loaded(drive: Any, new: Any) -> Any:
    """The drive with the other medium."""
    made = drive.copy()
    made.type = new.type or "file"
    made.source = new.source
    made.driver.type = new.driver.type or "raw"
    made.backing_store = new.backing_store
    made.target.tray = None
    return made


async def _exchange(
    driver: QemuDriver,
    running: RunningGuest,
    drive: Fragment,
    loaded: Fragment,
    caps: BinaryCaps,
    opened: ExitStack,
    *,
    force: bool,
) -> None:
    alias, runtime = alias_of(drive.device), running.record.runtime
    whole = running.model.beside(devices=running.model.devices.beside())
    whole.devices.disks = [
        loaded.device if disk is drive.device else disk for disk in whole.devices.disks
    ]
    assembly, args = await describe(driver, running, whole, loaded, caps, opened)
    restrict_devices(running.groups, whole)
    running.save()
    before = leftovers(drive, runtime)
    nodes = assembly.nodes[alias]
    steps = [step for step in args.steps if step.command not in _NOT_OF_MEDIA]
    await _open_tray(running, alias, force=force)
    try:
        await do_steps(running, steps)
        await running.execute("blockdev-remove-medium", {"id": alias})
        if nodes.top is not None:
            arguments = {"id": alias, "node-name": nodes.top}
            await running.execute("blockdev-insert-medium", arguments)
            if is_throttled(loaded.device):
                await running.execute(*throttling(loaded.device))
        await running.execute("blockdev-close-tray", {"id": alias})
    except VirloomError:
        await _put_back(running, alias, steps)
        raise
    await take_back(running, before)
    forget(alias, runtime)
    layers = [list(names) for names in nodes.layers]
    runtime.setdefault("nodes", {})[alias] = {"top": nodes.top, "layers": layers}
    runtime.setdefault("fdsets", {}).update(args.fdsets)


async def _open_tray(running: RunningGuest, alias: str, *, force: bool) -> None:
    await running.execute("blockdev-open-tray", {"id": alias, "force": force})


async def _put_back(running: RunningGuest, alias: str, steps: list[Step]) -> None:
    """The former medium, and nothing that was prepared for the new one."""
    former = running.record.runtime.get("nodes", {}).get(alias, {}).get("top")
    commands: list[tuple[str, dict[str, Any]]] = []
    if former:
        commands.append(("blockdev-insert-medium", {"id": alias, "node-name": former}))
    commands.append(("blockdev-close-tray", {"id": alias}))
    commands += [step.undo for step in reversed(steps) if step.undo is not None]
    await take_back(running, commands)
