# SPDX-License-Identifier: Apache-2.0
"""What is asked of a fresh QEMU before its CPUs run, and what of it the live document shows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.chardev import channel_path
from virloom.drivers.qemu.command.context import CommandLine, DiskNodes
from virloom.drivers.qemu.command.graphics import vnc_socket_path
from virloom.drivers.qemu.command.memory import initial_memory, plugged, started_with
from virloom.drivers.qemu.command.spice import spice_socket_path
from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.process import processor
from virloom.drivers.qemu.process.resources import alias_of, chardevs, source_of
from virloom.drivers.qemu.tuning.flexible import at_most, flexible
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.model.domain import (
    Alias,
    BackingFormat,
    BackingStore,
    Console,
    Cpu,
    DiskSource,
    Domain,
    Graphics,
    Listen,
)
from virloom.model.domain.devices.graphics import Gl

#: Where the kernel has the host's GPUs.
_GPUS = "/dev/dri"


class Answers(NamedTuple):
    """What QEMU said.

    Attributes:
        terminals: Path of the pseudo-terminal by QEMU's name of the character device.
        vcpu_threads: Thread of each vCPU by number.
        asked_cpu: The processor of a guest that was started, before it showed what it has got.
    """

    terminals: dict[str, str]
    vcpu_threads: dict[int, int]
    asked_cpu: Cpu | None = None


class Questions(NamedTuple):
    """What has been sent to QEMU and is to be answered before its CPUs run."""

    characters: asyncio.Future[Any]
    cpus: asyncio.Future[Any]
    steps: list[asyncio.Future[Any]]
    balloon: asyncio.Future[Any] | None
    processor: asyncio.Future[Any] | None


def ask(
    monitor: Monitor,
    model: Domain,
    command: CommandLine,
    limit: float,
    *,
    fresh: bool = True,
) -> Questions:
    """Asks and sets, all in one go, behind the negotiation: no step needs another's answer.

    Args:
        limit: Seconds for the answers; a fresh QEMU has not even begun to listen.
        fresh: The guest boots; one that goes on brings the size of its balloon along.
    """
    steps: list[tuple[str, dict[str, Any]]] = [
        ("set_password", {"protocol": protocol, "password": password})
        for protocol, password in command.passwords.items()
    ]
    steps += command.commands
    balloon = fresh and _balloon_wanted(model)
    if balloon:
        steps.append(("balloon", {"value": (model.current_memory or 0) * 1024}))
    return Questions(
        monitor.submit("query-chardev", timeout=limit),
        monitor.submit("query-cpus-fast", timeout=limit),
        [monitor.submit(name, arguments, timeout=limit) for name, arguments in steps],
        monitor.submit("query-balloon", timeout=limit) if balloon else None,
        processor.ask(monitor, model, limit),
    )


async def answers_to(questions: Questions, monitor: Monitor, model: Domain) -> Answers:
    """What QEMU has answered; the guest's CPU has been checked, and the document shows it.

    Raises:
        VirloomError: QEMU refused a step.
    """
    await asyncio.gather(*questions.steps)
    if questions.balloon is not None:  # a guest whose driver is not there yet gives nothing back
        model.current_memory = int((await questions.balloon)["actual"]) // 1024
    answers = await read(questions.characters, questions.cpus)
    place = (await questions.cpus)[0]["qom-path"]
    asked = await processor.settle(monitor, model, questions.processor, place)
    return answers._replace(asked_cpu=asked)


async def read(characters: asyncio.Future[Any], cpus: asyncio.Future[Any]) -> Answers:
    """The answers to ``query-chardev`` and ``query-cpus-fast``."""
    terminals = {
        item["label"]: item["filename"].removeprefix("pty:")
        for item in await characters
        if item["filename"].startswith("pty:")
    }
    threads = sorted((int(cpu["cpu-index"]), int(cpu["thread-id"])) for cpu in await cpus)
    return Answers(terminals, dict(threads))


def _balloon_wanted(model: Domain) -> bool:
    balloon = model.devices.memballoon
    if balloon is None or balloon.model == "none" or model.memory is None:
        return False
    return (model.current_memory or model.memory) < model.memory - at_most(model)


def _choose_render_node(graphics: Graphics) -> None:
    """The host's GPU that draws for the guest, where the document leaves it to us.

    Raises:
        SystemFailure: The host has none.
    """
    if graphics.type == "egl-headless" and graphics.gl is None:
        graphics.gl = Gl()
    gl = graphics.gl
    draws = graphics.type == "egl-headless" or (
        graphics.type in ("spice", "dbus") and gl is not None and gl.enable
    )
    if not draws or gl is None or gl.rendernode:
        return
    try:
        nodes = sorted(name for name in os.listdir(_GPUS) if name.startswith("render"))
    except OSError as exc:
        raise system_failure(
            f"cannot open directory '{_GPUS}'", exc, domain=ErrorDomain.NONE
        ) from exc
    if not nodes:
        raise ConfigUnsupported("no GPU of the host can draw for guests", domain=ErrorDomain.QEMU)
    gl.rendernode = f"{_GPUS}/{nodes[0]}"


def prepare(model: Domain, directory: str, config: QemuConfig) -> None:
    """Gives what the document leaves to a start and to qemu.conf.

    That is whole pages of memory, where channels and displays listen, and what a core dump holds.
    """
    if model.memory_dump_core is None and config.dump_guest_core:
        model.memory_dump_core = True
    for graphics in model.devices.graphics:
        if graphics.type == "vnc":
            _prepare_vnc(graphics, config)
        elif graphics.type == "spice" and graphics.passwd is None and config.spice_password:
            graphics.passwd = config.spice_password
        _choose_render_node(graphics)
    asked = model.memory
    modules = plugged(model)
    for cell in model.numa_cells:
        cell.memory = started_with(cell.memory or 0)
    model.memory = initial_memory(model) + modules
    if model.current_memory in (None, asked):
        model.current_memory = model.memory
    model.current_memory = min(model.current_memory or 0, model.memory - at_most(model))
    for memory in flexible(model):
        memory.target.current = 0
    for channel in model.devices.channels:
        if channel.target.type != "virtio":
            continue
        channel.target.state = "disconnected"
        source = source_of(channel)
        if channel.type == "unix" and not source.path:
            source.mode = source.mode or "bind"
            source.path = channel_path(channel, directory)
            channel.sources = [source]


def _prepare_vnc(graphics: Graphics, config: QemuConfig) -> None:
    if graphics.passwd is None and config.vnc_password:
        graphics.passwd = config.vnc_password
    listen = graphics.listens[0] if graphics.listens else None
    unsaid = listen is None or (listen.type == "address" and not listen.address)
    if config.vnc_auto_unix_socket and unsaid and not graphics.listen:
        graphics.listens = [Listen(type="socket")]
        graphics.port = None
        graphics.autoport = None


def show_disks(
    model: Domain, nodes: Mapping[str, DiskNodes], chains: Mapping[str, tuple[ImageLayer, ...]]
) -> None:
    """Notes the number of each image, and the images behind it, in the live document."""
    for disk in model.devices.disks:
        known = nodes.get(alias_of(disk))
        layers = chains.get(alias_of(disk), ())
        if known is None or not layers or not known.indexes:
            continue
        disk.source.index = known.indexes[0]
        if disk.backing_store is None:
            # What is behind an image of another host is not looked at: as libvirt, we do not say.
            if layers[0].is_local or layers[1:]:
                disk.backing_store = _backing(layers[1:], known.indexes[1:])
        else:
            _number(disk.backing_store, layers[1:], known.indexes[1:])


def _number(told: BackingStore, layers: Sequence[ImageLayer], indexes: Sequence[int]) -> None:
    """Numbers the images that the document itself tells of, and adds those behind them."""
    for place, index in enumerate(indexes, 1):
        told.index = index
        if told.backing_store is None:
            told.backing_store = _backing(layers[place:], indexes[place:])
            return
        told = told.backing_store


def _backing(layers: Sequence[ImageLayer], indexes: Sequence[int]) -> BackingStore:
    """The chain as nested elements; an empty one ends it."""
    store = BackingStore()
    for layer, index in zip(reversed(layers), reversed(indexes), strict=True):
        outer = BackingStore(type="block" if layer.block else layer.kind, index=index)
        outer.format = BackingFormat(type=layer.format)
        outer.source = DiskSource(dev=layer.path) if layer.block else DiskSource(file=layer.path)
        if not layer.is_local and layer.source is not None:
            outer.source = layer.source.copy()
        outer.backing_store = store
        store = outer
    return store


def show_displays(model: Domain, directory: str) -> None:
    """Notes the socket of a display that the document leaves to us."""
    for graphics in model.devices.graphics:
        listen = graphics.listens[0] if graphics.listens else None
        if listen is not None and listen.type == "socket":
            of_kind = vnc_socket_path if graphics.type == "vnc" else spice_socket_path
            listen.socket = of_kind(graphics, directory)
            if graphics.type == "vnc":
                graphics.socket = listen.socket


def fill_in(model: Domain, id: int, answers: Answers) -> None:
    """Completes the live document with what QEMU has given the guest."""
    model.id = id
    for device in chardevs(model):
        path = answers.terminals.get(f"char{alias_of(device)}")
        if device.type == "pty" and path is not None:
            source = source_of(device)
            source.path = path
            device.sources = [source]
            if isinstance(device, Console):
                device.tty = path
    _mirror_first_console(model)


def _mirror_first_console(model: Domain) -> None:
    """The first console of target type serial is the first serial port once more."""
    devices = model.devices
    if not devices.consoles or not devices.serials:
        return
    console, serial = devices.consoles[0], devices.serials[0]
    if console.target.type != "serial":
        return
    console.type = serial.type
    console.sources = [source.copy() for source in serial.sources]
    console.alias = Alias(name=alias_of(serial))
    if serial.type == "pty":
        console.tty = source_of(serial).path
