# SPDX-License-Identifier: Apache-2.0
"""Checks of displays and video cards."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virloom.drivers.qemu.capabilities.vhost_user import find_server
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, OperationFailed, XmlError
from virloom.model.domain import Domain, Graphics, Video

_MODELS = ("vga", "cirrus", "vmvga", "qxl", "virtio", "bochs", "ramfb", "none")
_SECONDARY = ("qxl", "virtio")
_MANY_HEADS = ("qxl", "virtio")
_DISPLAYS = ("vnc", "spice", "sdl", "egl-headless", "dbus")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_WITH_RESOLUTION = ("vga", "qxl", "virtio", "bochs")
_LEAST_MEMORY = 1024
#: RFC 6143, section 7.2.2: the password is a DES key.
_VNC_PASSWORD = 8
_VNC_PORTS = (5900, 65535)


def check_given_graphics(dom: Domain) -> None:
    """Displays and video cards as the document has them.

    Raises:
        XmlError: Something that belongs to an element is missing.
        ConfigUnsupported: The listener is told twice, and differently.
        InternalError: A moment that is none (libvirt's code for it).
    """
    for graphics in dom.devices.graphics:
        for message in _missing(graphics):
            raise XmlError(f"graphics: {message}", domain=ErrorDomain.NONE)
        _same_listener(graphics)
        moment = graphics.passwd_valid_to
        if graphics.passwd is not None and moment and not _MOMENT.fullmatch(moment):
            raise InternalError(
                f"password validity '{moment}' is not like 2030-01-31T12:00:00",
                domain=ErrorDomain.DOMAIN,
            )
        if graphics.type == "vnc" and graphics.connected not in (None, "keep"):
            raise ConfigUnsupported(
                f"VNC knows only connected='keep', not '{graphics.connected}'",
                domain=ErrorDomain.DOMAIN,
            )
    for video in dom.devices.videos:
        _given_video(video)
    if sum(video.model.primary is True for video in dom.devices.videos) > 1:
        raise ConfigUnsupported("two video cards are primary", domain=ErrorDomain.DOMAIN)


def _missing(graphics: Graphics) -> Iterator[str]:
    if graphics.type is None:
        yield "no type"
    for listen in graphics.listens:
        if listen.type is None:
            yield "a listener has no type"
        elif listen.type == "network" and not listen.network:
            yield "a listener on a network does not name it"
    for channel in graphics.channels:
        if channel.name is None or channel.mode is None:
            yield "a channel has both a name and a mode"
    words = {
        "image": (graphics.image, "compression"),
        "jpeg": (graphics.jpeg, "compression"),
        "zlib": (graphics.zlib, "compression"),
        "playback": (graphics.playback, "compression"),
        "streaming": (graphics.streaming, "mode"),
        "mouse": (graphics.mouse, "mode"),
        "clipboard": (graphics.clipboard, "copypaste"),
        "filetransfer": (graphics.filetransfer, "enable"),
    }
    for name, (element, attribute) in words.items():
        if element is not None and getattr(element, attribute) is None:
            yield f"<{name}> has no {attribute}"
    gl = graphics.gl
    if gl is not None and gl.enable is None and graphics.type in ("spice", "sdl", "dbus"):
        yield "<gl> does not say enable"
    if graphics.type == "dbus" and graphics.p2p and graphics.address:
        yield "a D-Bus display is either p2p or at an address"


def _same_listener(graphics: Graphics) -> None:
    if not graphics.listens:
        return
    first = graphics.listens[0]
    pairs = ((graphics.listen, first.address, "address"), (graphics.socket, first.socket, "socket"))
    for outer, inner, kind in pairs:
        if outer and first.type == kind and outer != inner:
            raise ConfigUnsupported(
                f"graphics: the first listener has {kind} '{inner}', and the attribute says "
                f"'{outer}'",
                domain=ErrorDomain.DOMAIN,
            )


def _given_video(video: Video) -> None:
    model = video.model
    size = model.resolution
    if (size.x is None) != (size.y is None):
        raise XmlError("a resolution has both x and y", domain=ErrorDomain.NONE)
    for message in _wrong_video(video):
        raise ConfigUnsupported(
            f"video of type '{model.type}': {message}", domain=ErrorDomain.DOMAIN
        )


def _wrong_video(video: Video) -> Iterator[str]:
    model = video.model
    if model.type != "qxl":
        for name in ("ram", "vram64", "vgamem"):
            if getattr(model, name) is not None:
                yield f"{name} is for type 'qxl'"
    if model.resolution.x == 0 or model.resolution.y == 0:
        yield "a resolution of 0"
    if video.driver.name == "vhostuser" and model.type != "virtio":
        yield "driver 'vhostuser' is for type 'virtio'"
    options = ("iommu", "ats", "packed", "page_per_vq")
    if model.type != "virtio" and any(getattr(video.driver, o) is not None for o in options):
        yield "options of virtio are for type 'virtio'"


def check_graphics(dom: Domain) -> None:
    """Video cards by model, and which of them may be beside another."""
    for graphics in dom.devices.graphics:
        if graphics.type not in _DISPLAYS:
            raise ConfigUnsupported(
                f"QEMU has no graphics of type '{graphics.type}'; it has {', '.join(_DISPLAYS)}",
                domain=ErrorDomain.QEMU,
            )
        if graphics.type == "spice" and (graphics.tls_port or 0) > 0:
            raise ConfigUnsupported(
                "a TLS port of SPICE is asked for, and spice_tls is not set in qemu.conf",
                domain=ErrorDomain.QEMU,
            )
        if graphics.type == "vnc" and len((graphics.passwd or "").encode()) > _VNC_PASSWORD:
            raise ConfigUnsupported(
                f"a password of VNC has {_VNC_PASSWORD} bytes at most", domain=ErrorDomain.QEMU
            )
    videos = dom.devices.videos
    if len(videos) > 1 and any(video.model.type == "none" for video in videos):
        raise ConfigUnsupported(
            "a video of type 'none' says that there is no other", domain=ErrorDomain.DOMAIN
        )
    for video in videos:
        model = video.model.type
        if model not in _MODELS:
            raise ConfigUnsupported(
                f"QEMU has no video of type '{model}'; it has {', '.join(_MODELS)}",
                domain=ErrorDomain.QEMU,
            )
        if (video.model.heads or 1) > 1 and model not in _MANY_HEADS:
            raise ConfigUnsupported(
                f"video of type '{model}' has one head; {' and '.join(_MANY_HEADS)} can have more",
                domain=ErrorDomain.QEMU,
            )
        _qemu_video(video)
        if not video.model.primary and model != "none" and model not in _SECONDARY:
            raise ConfigUnsupported(
                f"video of type '{model}' can only be the first card; others are "
                f"{', '.join(_SECONDARY)}",
                domain=ErrorDomain.QEMU,
            )


def _qemu_video(video: Video) -> None:
    model = video.model
    if model.acceleration.accel3d and model.type != "virtio":
        raise ConfigUnsupported(
            f"video of type '{model.type}' has no 3D acceleration; virtio has",
            domain=ErrorDomain.QEMU,
        )
    if model.acceleration.accel2d:
        raise ConfigUnsupported("QEMU has no 2D acceleration", domain=ErrorDomain.QEMU)
    size = model.vgamem
    if model.type == "qxl" and size and (size < _LEAST_MEMORY or size & (size - 1)):
        raise ConfigUnsupported(
            f"vgamem of a qxl card is a power of two from {_LEAST_MEMORY} KiB",
            domain=ErrorDomain.QEMU,
        )
    if model.resolution.x and model.type not in _WITH_RESOLUTION:
        raise XmlError(
            f"video of type '{model.type}' takes no resolution; {', '.join(_WITH_RESOLUTION)} do",
            domain=ErrorDomain.QEMU,
        )


def check_graphics_start(dom: Domain) -> None:
    """What a definition may hold and QEMU cannot give.

    Raises:
        ConfigUnsupported: Two displays of one kind, a port out of range, or two listeners.
        OperationFailed: A video card in another process, and no program for it is installed.
    """
    served = any(video.driver.name == "vhostuser" for video in dom.devices.videos)
    if served and find_server(serves="gpu") is None:
        raise OperationFailed(
            "Unable to find a satisfying vhost-user-gpu",
            domain=ErrorDomain.QEMU,
            remedy="a package that describes one in /usr/share/qemu/vhost-user",
        )
    seen: set[str | None] = set()
    for graphics in dom.devices.graphics:
        kind = graphics.type
        if kind in seen:
            raise ConfigUnsupported(
                f"a guest has at most one display of type '{kind}'", domain=ErrorDomain.QEMU
            )
        seen.add(kind)
        low, high = _VNC_PORTS
        chosen = None if graphics.autoport or graphics.port == -1 else graphics.port
        if kind == "vnc" and chosen is not None and not low <= chosen <= high:
            raise ConfigUnsupported(
                f"VNC ports are {low} to {high}, not {chosen}", domain=ErrorDomain.QEMU
            )
        if len(graphics.listens) > 1:
            raise ConfigUnsupported(
                "QEMU's displays have one listener each", domain=ErrorDomain.QEMU
            )
        if any(listen.type == "network" for listen in graphics.listens):
            raise ConfigUnsupported(
                "a display that listens on a virtual network cannot be started here",
                domain=ErrorDomain.QEMU,
                remedy="<listen type='address' address='…'/>",
            )
