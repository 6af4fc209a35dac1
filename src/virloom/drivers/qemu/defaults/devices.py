# SPDX-License-Identifier: Apache-2.0
"""Devices that every guest has, and the details of the smaller ones."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.defaults.graphics import fill_graphics
from virloom.drivers.qemu.devices.address import is_microvm
from virloom.drivers.qemu.devices.boards import board, is_pseries, is_x86
from virloom.model.domain import (
    Audio,
    Domain,
    Input,
    Memballoon,
    Panic,
    Rate,
    Video,
    VideoModel,
)

_WITH_CODECS = ("ich6", "ich7", "ich9")
_AUDIO_OF_DISPLAY = {"vnc": "none", "spice": "spice", "sdl": None}
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
    """The back end that the last of the displays with an opinion of it wants."""
    kind: str | None = None if dom.devices.graphics else "none"
    for graphics in dom.devices.graphics:
        kind = _AUDIO_OF_DISPLAY.get(graphics.type or "", kind)
    if kind is not None:
        dom.devices.audios.append(Audio(id=1, type=kind))


def fill_devices(dom: Domain, caps: BinaryCaps) -> None:
    """Models, buses and places of what has no file of its own."""
    devices = dom.devices
    for device in devices.inputs:
        if device.type == "evdev" or device.bus == "none":
            device.bus = None
        elif device.bus is None:
            ps2 = device.type in ("mouse", "keyboard") and is_x86(dom)
            device.bus = "ps2" if ps2 else "usb"
    for rng in devices.rngs:
        if not rng.rate.bytes:
            rng.rate = Rate()
        if rng.backend.model == "random" and not rng.backend.value:
            rng.backend.value = "/dev/random"
    for sound in devices.sounds:
        if sound.model not in _WITH_CODECS:
            sound.codecs.clear()
    for panic in devices.panics:
        panic.model = panic.model or board(dom).panic or "isa"
    for watchdog in devices.watchdogs:
        watchdog.action = watchdog.action or "reset"
    if devices.graphics and not devices.videos:
        devices.videos.append(Video())
    for graphics in devices.graphics:
        fill_graphics(graphics)
    # The card that firmware uses is the first.
    devices.videos.sort(key=lambda video: not video.model.primary)
    for number, video in enumerate(devices.videos):
        if video.model.type is None:
            video.model.type = board(dom).video
        _fill_video(video, caps, primary=number == 0)


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
    for name in ("ram", "vram", "vram64"):
        size = getattr(model, name)
        if size:
            setattr(model, name, 1 << (size - 1).bit_length())
    if model.heads is None:
        model.heads = 1
    elif model.heads == 0:
        model.heads = None
    # How VGA is decoded is bhyve's.
    video.driver.vgaconf = None
    if primary:
        model.primary = True
