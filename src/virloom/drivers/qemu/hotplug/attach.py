# SPDX-License-Identifier: Apache-2.0
"""A device is plugged into a guest that runs.

The document with the device is completed as for a definition, but only the device is taken from
it: what the guest has already stays where it is. Its files are opened here and handed to QEMU,
which is then told in steps; when one is refused, those before it are taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.block import volumes
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.chardev import channel_path
from virloom.drivers.qemu.command.context import BuildContext
from virloom.drivers.qemu.confine.owners import ids_of_guest
from virloom.drivers.qemu.confine.plugged import give, take_away
from virloom.drivers.qemu.confine.promises import check_promises
from virloom.drivers.qemu.defaults.disks import place_disk
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.devices.controllers import ensure_controller
from virloom.drivers.qemu.devices.passed import as_hostdev, functions, is_function
from virloom.drivers.qemu.hostdevs.identity import host_device
from virloom.drivers.qemu.hotplug import persistent
from virloom.drivers.qemu.hotplug.assigned import give_back_device, take_device
from virloom.drivers.qemu.hotplug.cards import cards, leave_network
from virloom.drivers.qemu.hotplug.fragment import Fragment, fragment_of
from virloom.drivers.qemu.hotplug.intention import (
    added_name,
    forget_intention,
    intend,
    noted,
    present_devices,
    take_back,
    take_in,
)
from virloom.drivers.qemu.hotplug.lock_limit import raise_lock_limit
from virloom.drivers.qemu.hotplug.memory_modules import show_module
from virloom.drivers.qemu.hotplug.naming import assign_alias
from virloom.drivers.qemu.hotplug.plan import alone, assemble, files_of
from virloom.drivers.qemu.hotplug.rules import check_attachable, check_free, drive_for
from virloom.drivers.qemu.hotplug.servers import file_server, logged
from virloom.drivers.qemu.hotplug.steps import LiveArguments, Step, undone
from virloom.drivers.qemu.limits.devices import restrict_devices, update_devices
from virloom.drivers.qemu.locks.claims import claim_of_disk, claim_of_lease
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process import live, resources
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.secrets import look_up
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.validate.served import check_served
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationTimeout,
    VirloomError,
)
from virloom.model.domain import Domain, unmodelled

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def attach(driver: QemuDriver, running: RunningGuest, new: Fragment) -> None:
    """Plugs a device; a job that changes the domain is held.

    Raises:
        OperationUnsupported: Nobody plugs such a device into a guest that runs.
        ConfigUnsupported: The device cannot be had here.
        InternalError: There is no place for it, or QEMU refuses it.
        VirloomError: What a definition with it would be refused for.
    """
    if new.tag == "disk":
        await volumes.resolve(driver, [new.device])
    drive = drive_for(running.model, new)
    if drive is not None:
        from virloom.drivers.qemu.hotplug.media import change_medium  # which needs this module

        await change_medium(driver, running, drive, new.device, force=False)
        return
    check_attachable(new)
    refused: VirloomError | None = None
    if new.tag == "hostdev":
        from virloom.drivers.qemu.hostdevs.taking import refusal  # seldom needed

        refused = refusal(driver, new.device, running.guest.name)
    elif new.tag == "interface" and is_function(new.device):
        function = host_device(as_hostdev(new.device))
        if function is not None:
            driver.claims.check_new(function, running.guest.name)
    check_free(running.model, new)
    persistent.check_memory_fits(running.model, new)
    paths = unmodelled(new.device)
    if paths:
        raise ConfigUnsupported(f"nothing here serves {', '.join(paths)}", domain=ErrorDomain.QEMU)
    if new.tag == "lease":  # without a lock manager the document lists it, as at a start
        async with running.leases.claimed([claim_of_lease(new.device)]):
            persistent.add(running.model, new)
            running.set_document()
            running.save()
        return

    if new.tag == "interface" and new.device.type == "network":
        from virloom.drivers.qemu.nics.pools import mark_functions

        await mark_functions(driver, [new.device])

    def completed(caps: BinaryCaps) -> tuple[BinaryCaps, Domain, list[Fragment]]:
        return caps, *_complete(driver, running.model, new.copy(), caps)

    caps, draft, found = await driver.capabilities.apply(emulator_of(running.model), completed)
    if refused is not None:
        raise refused
    for device in found:
        await _plug(driver, running, draft, device, caps)
    # Of a controller that comes along nobody is told, as with libvirt.
    driver.events.emit(DomainEventID.DEVICE_ADDED, running.guest.ref(), added_name(found[-1]))


def _complete(
    driver: QemuDriver, model: Domain, new: Fragment, caps: BinaryCaps
) -> tuple[Domain, list[Fragment]]:
    """The guest with the device, and what is to be plugged: the device behind its controller.

    Raises:
        InternalError: It needs a bus that the guest does not have.
    """
    draft = model.copy()
    before = {(c.type, c.index or 0) for c in draft.devices.controllers}
    persistent.add(draft, new)
    _ensure_scsi(draft, new)
    prepare_definition(draft, caps, config=driver.config, directories=driver.directories)
    added = []
    for controller in draft.devices.controllers:
        if controller is new.device or (controller.type, controller.index or 0) in before:
            continue
        if controller.type == "pci":
            continue  # a spare one, or the one that the device sits on
        if controller.type != "scsi":
            raise InternalError(
                f"the guest has no {controller.type} controller for the device",
                domain=ErrorDomain.QEMU,
            )
        added.append(controller)
    found = [fragment_of(controller) for controller in added] + [new]
    for device in found:
        _check_bus(device, before)
        assign_alias(draft, device)
    return draft, found


def _ensure_scsi(draft: Domain, new: Fragment) -> None:
    """Adds the controllers that a SCSI disk wants, like those that the guest has."""
    models = [c.model for c in draft.devices.controllers if c.type == "scsi"]
    if new.tag != "disk" or new.device.target.bus != "scsi" or not models:
        return
    place_disk(new.device)
    for index in range((new.device.address.controller or 0) + 1):
        ensure_controller(draft, "scsi", index, models[0])


def _check_bus(device: Fragment, buses: set[tuple[str | None, int]]) -> None:
    address = device.device.address
    if address is None or address.type != "pci":
        return
    if ("pci", address.bus or 0) not in buses:
        raise InternalError("No more available PCI slots", domain=ErrorDomain.DOMAIN)


async def _plug(
    driver: QemuDriver, running: RunningGuest, draft: Domain, device: Fragment, caps: BinaryCaps
) -> None:
    whole = _with(running.model, device, draft)
    _prepare(device, running)
    async with AsyncExitStack() as whole_way, AsyncExitStack() as failing:
        opened = failing.enter_context(ExitStack())
        alias = resources.alias_of(device.device)
        if device.tag == "disk":
            leased = running.leases.claimed([claim_of_disk(device.device)])
            await whole_way.enter_async_context(leased)
        failing.push_async_callback(take_away, driver, running, alias)
        failing.push_async_callback(leave_network, driver, running, device.device)
        failing.push_async_callback(give_back_device, driver, running, device.device)
        await take_device(driver, running, whole, device.device)
        assembly, args = await describe(driver, running, whole, device, caps, opened)
        opened.callback(update_devices, running)  # to what it has, when all is done or undone
        restrict_devices(running.groups, whole)
        intention = intend(device, _place(draft, device), assembly, args)
        with noted(running, intention):
            reached("device-noted")
            answers = await _do_or_find(running, device, args.steps)
            reached("device-plugged")
            _show_terminal(device, answers)
            _note_sockets(running, device)
            if device.tag == "memory":
                await show_module(running, device.device)
            take_in(running, device, intention)
        failing.pop_all()
        opened.close()


async def describe(
    driver: QemuDriver,
    running: RunningGuest,
    whole: Domain,
    device: Fragment,
    caps: BinaryCaps,
    opened: ExitStack,
) -> tuple[Assembly, LiveArguments]:
    """Opens what the device needs, and says what QEMU has to be told; *opened* has our copies.

    Numbers of images and descriptor sets are taken: none is ever used twice.

    Raises:
        VirloomError: A file cannot be opened, or the device cannot be had here.
    """
    only = alone(whole, device)
    check_served(only)
    check_promises(driver.config, only)
    given = resources.given_images(only, running.guest.fd_groups)
    chains = resources.image_chains(only, given)
    passphrases = await look_up(driver, only, chains)
    ids = ids_of_guest(driver, running.model)
    owner = driver.owner_of(ids)
    requests = files_of(only, chains)
    files = await logged(driver, running, requests, opened)
    others = [request for request in requests if request.key not in files]
    files |= resources.open_files(others, opened, ids if owner else None, given)
    files |= await cards(driver, running, only, opened)
    if functions(only):
        raise_lock_limit(running, whole, device.device)
    await give(driver, running, resources.alias_of(device.device), only, chains)
    sockets = {
        name: sock.fileno() for name, sock in resources.listening_sockets(only, opened).items()
    }
    sockets |= await file_server(driver, running, only, owner, opened)
    context = BuildContext(
        guest_name=running.guest.name,
        monitor_fd=-1,
        lib_dir=running.record.directory,
        files=files,
        sockets=sockets,
        chains=chains,
        secrets=passphrases,
        tls_dir=str(driver.directories.certificates),
    )
    runtime = running.record.runtime
    assembly, args = assemble(whole, device, caps, context, runtime)
    live.show_disks(only, assembly.nodes, chains)
    runtime["next_node"] = assembly.next_node
    runtime["next_fdset"] = args.next_fdset
    return assembly, args


def _with(model: Domain, device: Fragment, draft: Domain) -> Domain:
    """The guest that runs and the device, neither of which is changed."""
    whole = model.beside(devices=model.devices.beside())
    among = list(device.among(model))
    among.insert(_place(draft, device), device.device)
    setattr(whole.devices, device.field, among)
    return whole


def _place(draft: Domain, device: Fragment) -> int:
    """Where in its list the device is, among those that are there already."""
    for number, other in enumerate(device.among(draft)):
        if other is device.device:
            return number
    return len(device.among(draft))


def _prepare(device: Fragment, running: RunningGuest) -> None:
    """What a start fills in as well: where a channel listens."""
    if device.tag != "channel" or device.device.target.type != "virtio":
        return
    channel = device.device
    source = resources.source_of(channel)
    if channel.type == "unix" and not source.path:
        source.mode = source.mode or "bind"
        source.path = channel_path(channel, running.record.directory)
        channel.sources = [source]


async def _do_or_find(
    running: RunningGuest, device: Fragment, steps: Sequence[Step]
) -> Sequence[Any]:
    """Does the steps; of a QEMU that did not answer in time, finds out whether it has done them.

    Raises:
        InternalError: QEMU refuses a step, and those before it are taken back.
        OperationTimeout: It does not answer; all is taken back if it answers to that.
        OperationFailed: Its monitor is lost: nobody knows.
    """
    try:
        return await do_steps(running, steps)
    except OperationTimeout:
        if resources.alias_of(device.device) not in await present_devices(running):
            await take_back(running, undone(steps))
            forget_intention(running)
            raise
        return await _terminals(running)


async def do_steps(running: RunningGuest, steps: Sequence[Step]) -> list[Any]:
    """Tells QEMU, and takes back what it has done when it refuses a step.

    QEMU is told everything at once: it keeps the order, and one that builds on another that was
    refused is refused as well. When it does not answer nothing is taken back: the caller has to
    look.
    """
    asked = []
    for step in steps:
        reached(f"before-{step.command}")
        asked.append((step, _submit(running, step)))
    answers = []
    done: list[Step] = []
    refusal: QmpError | None = None
    for step, answer in asked:
        try:
            answers.append(await answer)
        except QmpError as exc:
            refusal = refusal or exc
            running.guest.note("monitor", f"{step.command}: {exc.message}")
            continue
        done.append(step)
        running.guest.note("monitor", f"{step.command}: done")
    running.require_current()
    if refusal is not None:
        await take_back(running, undone(done))
        raise refusal
    return answers


def _submit(running: RunningGuest, step: Step) -> asyncio.Future[Any]:
    fds = () if step.fd is None else (step.fd,)
    limit = running.guest.patience.answer
    monitor = running.require_monitor()
    return monitor.submit(step.command, step.arguments, timeout=limit, fds=fds)


async def _terminals(running: RunningGuest) -> list[dict[str, str]]:
    """What ``chardev-add`` answers, as far as QEMU can be asked for it later."""
    found = await running.execute("query-chardev")
    last = [str(item["filename"]) for item in found][-1:]
    return [{"pty": name.removeprefix("pty:")} for name in last if name.startswith("pty:")]


def _show_terminal(device: Fragment, answers: Sequence[Any]) -> None:
    """The pseudo-terminal that QEMU opened for a character device."""
    for answer in answers:
        if isinstance(answer, dict) and "pty" in answer:
            source = resources.source_of(device.device)
            source.path = answer["pty"]
            device.device.sources = [source]
            if device.tag == "console":
                device.device.tty = answer["pty"]


def _note_sockets(running: RunningGuest, device: Fragment) -> None:
    """The socket of a character device goes with the guest, unless the device goes before."""
    if device.tag not in ("serial", "console", "channel", "redirdev"):
        return
    path = resources.listening_path(device.device)
    if path is not None and not path.startswith(str(Path(running.record.directory)) + "/"):
        running.record.resources.append({"kind": "file", "path": path})
