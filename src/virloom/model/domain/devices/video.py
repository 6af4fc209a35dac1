# SPDX-License-Identifier: Apache-2.0
"""``<video>``: the graphics card."""

from __future__ import annotations

from virloom.errors import InternalError
from virloom.model.domain.devices.device import Device, VirtioOptions
from virloom.xml.element import Element
from virloom.xml.fields import attribute, group
from virloom.xml.kinds import STRING, UINT, UINT_OWNED, YES_NO, Kind, blank, choice, lenient, option

# libvirt has another error for this number than for all others.
_HEADS: Kind[int] = Kind(UINT.parse, str, error=InternalError)


class VideoDriver(VirtioOptions):
    """``<driver name='qemu' vgaconf='io'/>``."""

    name: str | None = attribute(choice("qemu", "vhostuser"), order=60)
    vgaconf: str | None = attribute(STRING, order=61)


class Acceleration(Element):
    """``<acceleration accel3d='yes'/>``."""

    accel3d: bool | None = attribute(YES_NO)
    accel2d: bool | None = attribute(YES_NO)
    rendernode: str | None = attribute(STRING)


class Resolution(Element):
    """``<resolution x='1024' y='768'/>``."""

    x: int | None = attribute(UINT)
    y: int | None = attribute(UINT)


class VideoModel(Element):
    """``<model type='vga' vram='16384' heads='1' primary='yes'/>``; memory in KiB."""

    type: str | None = attribute(
        option(
            "default",
            "vga",
            "cirrus",
            "vmvga",
            "xen",
            "vbox",
            "qxl",
            "parallels",
            "virtio",
            "gop",
            "none",
            "bochs",
            "ramfb",
        )
    )
    ram: int | None = attribute(blank(UINT_OWNED))
    vram: int | None = attribute(blank(UINT_OWNED))
    vram64: int | None = attribute(blank(UINT_OWNED))
    vgamem: int | None = attribute(blank(UINT_OWNED))
    heads: int | None = attribute(_HEADS)
    primary: bool | None = attribute(lenient(YES_NO))
    acceleration: Acceleration = group(Acceleration)
    resolution: Resolution = group(Resolution)


class Video(Device):
    """``<video>``."""

    tag = "video"
    schema_path = "domain/devices/video"

    driver: VideoDriver = group(VideoDriver)
    model: VideoModel = group(VideoModel)
