# SPDX-License-Identifier: Apache-2.0
"""Checks of displays and video cards."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain

_MODELS = ("vga", "cirrus", "vmvga", "qxl", "virtio", "bochs", "ramfb", "none")
_SECONDARY = ("qxl", "virtio", "bochs")
_MANY_HEADS = ("qxl", "virtio")
_SERVED = ("vnc",)
_VNC_PORTS = (5900, 65535)


def check_graphics(dom: Domain) -> None:
    """Video cards by model, and which of them may be beside another."""
    videos = dom.devices.videos
    if len(videos) > 1 and any(video.model.type == "none" for video in videos):
        raise ConfigUnsupported(
            "a video of type 'none' says that there is no other", domain=ErrorDomain.DOMAIN
        )
    if sum(video.model.primary is True for video in videos) > 1:
        raise ConfigUnsupported("two video cards are primary", domain=ErrorDomain.DOMAIN)
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
        if not video.model.primary and model != "none" and model not in _SECONDARY:
            raise ConfigUnsupported(
                f"video of type '{model}' can only be the first card; others are "
                f"{', '.join(_SECONDARY)}",
                domain=ErrorDomain.QEMU,
            )


def check_graphics_start(dom: Domain) -> None:
    """What a definition may hold and no start can give.

    Raises:
        ConfigUnsupported: Two displays of one kind, a port out of range, or a kind or listener
            that is not served.
    """
    seen: set[str | None] = set()
    for graphics in dom.devices.graphics:
        kind = graphics.type
        if kind not in _SERVED:
            raise ConfigUnsupported(
                f"graphics of type '{kind}' cannot be started here; {', '.join(_SERVED)} can",
                domain=ErrorDomain.QEMU,
            )
        if kind in seen:
            raise ConfigUnsupported(
                f"a guest has at most one display of type '{kind}'", domain=ErrorDomain.QEMU
            )
        seen.add(kind)
        low, high = _VNC_PORTS
        chosen = None if graphics.autoport or graphics.port == -1 else graphics.port
        if chosen is not None and not low <= chosen <= high:
            raise ConfigUnsupported(
                f"VNC ports are {low} to {high}, not {chosen}", domain=ErrorDomain.QEMU
            )
        if any(listen.type == "network" for listen in graphics.listens):
            raise ConfigUnsupported(
                "a display that listens on a virtual network cannot be started here",
                domain=ErrorDomain.QEMU,
                remedy="<listen type='address' address='…'/>",
            )
