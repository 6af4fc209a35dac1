# SPDX-License-Identifier: Apache-2.0
"""Media of CD and floppy drives while the guest runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.block.chain import LOCAL_KINDS
from virloom.drivers.qemu.block.figures import device_of
from virloom.drivers.qemu.block.owners import disown
from virloom.drivers.qemu.blockjobs.rules import check_idle
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.throttling import is_throttled, throttling
from virloom.drivers.qemu.hotplug.attach import describe, do_steps
from virloom.drivers.qemu.hotplug.backends import forget, leftovers
from virloom.drivers.qemu.hotplug.fragment import Fragment, fragment_named, fragment_of
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.hotplug.steps import Command, undone
from virloom.drivers.qemu.limits.devices import restrict_devices, update_devices
from virloom.drivers.qemu.locks.claims import claim_of_disk
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.errors import VirloomError
from virloom.xml import FormatFlags, format_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Of the intention in the guest's record.
_KEY = "medium"

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
        # It is in the drive already.
        drive.device.source.startup_policy = new.source.startup_policy
        return
    check_idle(running, drive.device)
    caps = await driver.capabilities.apply(emulator_of(running.model), lambda caps: caps)
    loaded = drive.of(_loaded(drive.device, new))
    try:
        async with running.leases.claimed([claim_of_disk(loaded.device)]):
            with ExitStack() as opened:
                await _exchange(driver, running, drive, loaded, caps, opened, force=force)
    finally:
        update_devices(running)


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
    try:
        assembly, args = await describe(driver, running, whole, loaded, caps, opened)
    except VirloomError:
        _disown(running, alias)  # an image may have been given before something else failed
        raise
    restrict_devices(running.groups, whole)
    nodes = assembly.nodes[alias]
    steps = [step for step in args.steps if step.command not in _NOT_OF_MEDIA]
    intention = runtime[_KEY] = {
        "alias": alias,
        "document": format_document(loaded.device, FormatFlags.SECURE | FormatFlags.STATUS),
        "nodes": {"top": nodes.top, "layers": [list(names) for names in nodes.layers]},
        "fdsets": args.fdsets,
        "undo": [list(command) for command in undone(steps)],
    }
    running.save()
    reached("medium-noted")
    try:
        await running.execute("blockdev-open-tray", {"id": alias, "force": force})
        await do_steps(running, steps)
        await running.execute("blockdev-remove-medium", {"id": alias})
        reached("medium-removed")
        await _insert(running, loaded.device, nodes.top)
        reached("medium-inserted")
        await running.execute("blockdev-close-tray", {"id": alias})
    except QmpError:
        await _put_back(running, intention)
        raise
    await _finish(running, drive, loaded.device, intention)


async def _insert(running: RunningGuest, disk: Any, top: str | None) -> None:
    if top is None:
        return
    arguments = {"id": alias_of(disk), "node-name": top}
    await running.execute("blockdev-insert-medium", arguments)
    if is_throttled(disk):
        await running.execute(*throttling(disk))


async def _finish(
    running: RunningGuest, drive: Fragment, loaded: Any, intention: dict[str, Any]
) -> None:
    """The new medium is in: the former one's nodes go, and both documents say so."""
    alias, runtime = intention["alias"], running.record.runtime
    await take_back(running, leftovers(drive, runtime))
    forget(alias, runtime)
    runtime.setdefault("nodes", {})[alias] = intention["nodes"]
    runtime.setdefault("fdsets", {}).update(intention["fdsets"])
    among = drive.among(running.model)
    among[[item is drive.device for item in among].index(True)] = loaded
    disown(running, loaded)
    runtime.pop(_KEY, None)
    running.set_document()
    running.save()


async def _put_back(running: RunningGuest, intention: dict[str, Any]) -> None:
    """The former medium, and nothing that was prepared for the new one."""
    alias, runtime = intention["alias"], running.record.runtime
    former = runtime.get("nodes", {}).get(alias, {}).get("top")
    commands: list[Command] = []
    if former:
        commands.append(("blockdev-insert-medium", {"id": alias, "node-name": former}))
    commands.append(("blockdev-close-tray", {"id": alias}))
    commands += [(name, arguments) for name, arguments in intention["undo"]]
    await take_back(running, commands)
    _disown(running, alias)
    runtime.pop(_KEY, None)
    running.save()


def _disown(running: RunningGuest, alias: str) -> None:
    """Gives back images that have not come into the drive."""
    for disk in running.model.devices.disks:
        if alias_of(disk) == alias:
            disown(running, disk)


async def settle_medium(running: RunningGuest) -> None:
    """Finishes or undoes the change of a medium that nobody knows the end of.

    Raises:
        VirloomError: QEMU does not answer.
    """
    intention = running.record.runtime.get(_KEY)
    if intention is None:
        return
    alias = intention["alias"]
    answer: Any = await running.execute("query-block")
    with reading("query-block"):
        inserted = next(
            (
                item["inserted"]["node-name"]
                for item in answer
                if device_of(str(item.get("qdev", ""))) == alias and "inserted" in item
            ),
            None,
        )
    drives = [disk for disk in running.model.devices.disks if alias_of(disk) == alias]
    if not drives or inserted != intention["nodes"]["top"]:
        await _put_back(running, intention)
        return
    drive = fragment_of(drives[0])
    loaded = fragment_named(drive.tag, intention["document"]).device
    await take_back(running, [("blockdev-close-tray", {"id": alias})])
    await _finish(running, drive, loaded, intention)
    update_devices(running)
