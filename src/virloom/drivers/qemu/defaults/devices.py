# SPDX-License-Identifier: Apache-2.0
"""Devices that every guest has, and the details of the smaller ones."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.address import is_microvm
from virloom.drivers.qemu.devices.boards import board, is_pseries, is_x86
from virloom.model.domain import (
    Audio,
    Domain,
    Graphics,
    Input,
    Listen,
    Memballoon,
    Panic,
    Rate,
    Video,
    VideoModel,
)

# KiB, where the document does not say (libvirt's defaults).
_VIDEO_MEMORY = {"vga": 16384, "cirrus": 16384, "vmvga": 16384, "bochs": 16384, "qxl": 65536}


def add_basic_devices(dom: Domain) -> None:
    """Keyboard and mouse of the PC, the balloon, and the audio backend that plays nothing."""
    devices = dom.devices
    own = board(dom)
    if is_pseries(dom) and devices.graphics:
        _add_usb_inputs(dom)
    for kind in ("mouse", "keyboard") if is_x86(dom) else ():
        if not any(d.type == kind and d.bus in ("ps2", None) for d in devices.inputs):
            devices.inputs.append(Input(type=kind, bus="ps2"))
    if devices.memballoon is None and (is_x86(dom) or own.balloon):
        none = is_microvm(dom.os.type.machine)
        devices.memballoon = Memballoon(model="none" if none else "virtio")
    if not devices.audios:
        _add_audio(dom)

    if own.panic is not None and not devices.panics:
        devices.panics.append(Panic(model=own.panic))


def _add_usb_inputs(dom: Domain) -> None:
    for kind in ("keyboard", "mouse"):
        if not any(d.type == kind and d.bus in ("usb", None) for d in dom.devices.inputs):
            dom.devices.inputs.append(Input(type=kind, bus="usb"))


def _add_audio(dom: Domain) -> None:
    kinds = [graphics.type for graphics in dom.devices.graphics]
    if "spice" in kinds:
        dom.devices.audios.append(Audio(id=1, type="spice"))
    elif "sdl" not in kinds:
        dom.devices.audios.append(Audio(id=1, type="none"))


def fill_devices(dom: Domain, caps: BinaryCaps) -> None:
    """Models, buses and places of what has no file of its own."""
    devices = dom.devices
    for device in devices.inputs:
        if device.bus is None:
            ps2 = device.type in ("mouse", "keyboard") and is_x86(dom)
            device.bus = "ps2" if ps2 else "usb"
    for rng in devices.rngs:
        if not rng.rate.bytes:
            rng.rate = Rate()
        if rng.backend.model == "random" and not rng.backend.value:
            rng.backend.value = "/dev/random"
    for panic in devices.panics:
        panic.model = panic.model or board(dom).panic or "isa"
    for watchdog in devices.watchdogs:
        watchdog.action = watchdog.action or "reset"
    if devices.graphics and not devices.videos:
        devices.videos.append(Video())
    for graphics in devices.graphics:
        _fill_graphics(graphics)
    for number, video in enumerate(devices.videos):
        if video.model.type is None:
            video.model.type = board(dom).video
        _fill_video(video, caps, primary=number == 0)


def _fill_graphics(graphics: Graphics) -> None:
    listens = graphics.listens
    if graphics.type != "vnc":
        ports = (graphics.port, graphics.tls_port, graphics.autoport)
        if graphics.type == "spice" and not listens and ports == (None, None, None):
            listens.append(Listen(type="none"))
        return
    if graphics.socket is not None and not listens:
        listens.append(Listen(type="socket", socket=graphics.socket))
    if not listens:
        listens.append(Listen(type="address", address=graphics.listen))
    first = listens[0]
    if first.type in ("socket", "none"):
        # There is no port; what the first listener says is repeated in the attribute.
        graphics.socket = first.socket
        graphics.port = graphics.autoport = None
        return
    if graphics.port is None or graphics.port == -1:
        graphics.port, graphics.autoport = -1, True
    elif graphics.autoport is None:
        graphics.autoport = False
    if first.type == "address" and graphics.listen is None:
        graphics.listen = first.address


def _fill_video(video: Video, caps: BinaryCaps, *, primary: bool) -> None:
    model = video.model
    if model.type == "none":
        video.model = VideoModel(type="none")
        return
    if model.type in (None, "default"):
        candidates = (("cirrus-vga", "cirrus"), ("VGA", "vga"))
        model.type = next((m for device, m in candidates if caps.may_have_device(device)), "virtio")
    if model.type in _VIDEO_MEMORY and model.vram is None:
        model.vram = _VIDEO_MEMORY[model.type]
    if model.type == "qxl":
        model.ram = model.ram or _VIDEO_MEMORY["qxl"]
        model.vgamem = model.vgamem or _VIDEO_MEMORY["vga"]
    if model.heads is None:
        model.heads = 1
    if primary:
        model.primary = True
