# SPDX-License-Identifier: Apache-2.0
"""Devices that every guest has, and the details of the smaller ones."""

from __future__ import annotations

from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.devices.address import is_microvm
from virloom.model.domain import Audio, Domain, Graphics, Input, Listen, Memballoon, Video


def add_basic_devices(dom: Domain) -> None:
    """Keyboard and mouse of the PC, the balloon, and the audio backend that plays nothing."""
    devices = dom.devices
    for kind in ("mouse", "keyboard"):
        if not any(d.type == kind and d.bus in ("ps2", None) for d in devices.inputs):
            devices.inputs.append(Input(type=kind, bus="ps2"))
    if devices.memballoon is None:
        none = is_microvm(dom.os.type.machine)
        devices.memballoon = Memballoon(model="none" if none else "virtio")
    if not devices.audios:
        devices.audios.append(Audio(id=1, type="none"))


def fill_devices(dom: Domain, config: QemuConfig | None) -> None:
    """Models, buses and places of what has no file of its own."""
    devices = dom.devices
    for device in devices.inputs:
        if device.bus is None:
            device.bus = "ps2" if device.type in ("mouse", "keyboard") else "usb"
    for rng in devices.rngs:
        rng.model = rng.model or "virtio"
    for panic in devices.panics:
        panic.model = panic.model or "isa"
    for watchdog in devices.watchdogs:
        watchdog.action = watchdog.action or "reset"
    if devices.graphics and not devices.videos:
        devices.videos.append(Video())
    for graphics in devices.graphics:
        _fill_graphics(graphics)
    for number, video in enumerate(devices.videos):
        _fill_video(video, primary=number == 0)


def _fill_graphics(graphics: Graphics) -> None:
    if graphics.type == "vnc" and graphics.socket is None:
        if graphics.port is None or graphics.port == -1:
            graphics.port, graphics.autoport = -1, True
        elif graphics.autoport is None:
            graphics.autoport = False
        if not graphics.listens:
            graphics.listens.append(Listen(type="address", address=graphics.listen))
        if graphics.listen is None and graphics.listens[0].type == "address":
            graphics.listen = graphics.listens[0].address


def _fill_video(video: Video, *, primary: bool) -> None:
    model = video.model
    if model.type in (None, "default"):
        model.type = "vga"
    if model.type in ("vga", "cirrus", "bochs", "vmvga") and model.vram is None:
        model.vram = 16384
    if model.heads is None and model.type != "none":
        model.heads = 1
    if primary and model.type != "none":
        model.primary = True
