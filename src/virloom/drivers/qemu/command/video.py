# SPDX-License-Identifier: Apache-2.0
"""Video cards."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.boards import is_arm, is_pseries
from virloom.drivers.qemu.devices.props.video import video_device


def add_videos(assembly: Assembly) -> None:
    """Every card; the first of them is the one that firmware uses."""
    for position, video in enumerate(assembly.dom.devices.videos):
        primary = bool(video.model.primary)
        props = video_device(
            video,
            assembly.buses,
            primary=primary or position == 0,
            vga=not is_arm(assembly.dom) and not is_pseries(assembly.dom),
        )
        if props is not None:
            assembly.args.device(props)
