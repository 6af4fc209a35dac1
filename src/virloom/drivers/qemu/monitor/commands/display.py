# SPDX-License-Identifier: Apache-2.0
"""Displays: screenshots, and where a graphics server listens."""

from __future__ import annotations

import os
from typing import BinaryIO, Literal

from virloom.drivers.qemu.monitor.client import Monitor, QmpError
from virloom.drivers.qemu.monitor.commands.descriptors import lent_fd

ImageFormat = Literal["ppm", "png"]


#: What QEMU calls the descriptor of a client until it is the display's.
_CLIENT = "virloom-display-client"


async def screenshot(
    monitor: Monitor,
    *,
    device: str | None = None,
    head: int | None = None,
    format: ImageFormat = "ppm",
) -> BinaryIO:
    """An image of the screen, in a file without a name, at its beginning.

    QEMU never sees a path: it is lent a descriptor, and needs no right on any directory.

    Args:
        device: The id of the video device; the first one if None.
        head: The number of its output; only together with *device*.
        format: QEMU knows ``png`` since 7.1, if it was built with it.

    Raises:
        QmpError: There is no such screen, or QEMU does not know the format.
    """
    arguments: dict[str, object] = {}
    if device is not None:
        arguments["device"] = device
        if head is not None:
            arguments["head"] = head
    if format != "ppm":
        arguments["format"] = format
    image = os.memfd_create("virloom-screenshot", os.MFD_CLOEXEC)
    try:
        await _dump(monitor, image, arguments)
        os.lseek(image, 0, os.SEEK_SET)
        return os.fdopen(image, "rb")
    except BaseException:
        os.close(image)
        raise


async def _dump(monitor: Monitor, image: int, arguments: dict[str, object]) -> None:
    # QEMU opens the image write-only, and finds only what was opened in the same mode.
    writer = os.open(f"/proc/self/fd/{image}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        async with lent_fd(monitor, writer) as path:
            await monitor.execute("screendump", {"filename": path, **arguments})
    finally:
        os.close(writer)


async def add_client(
    monitor: Monitor, protocol: Literal["vnc", "spice"], fd: int, *, skip_auth: bool
) -> None:
    """Gives a display a client that is connected by *fd*, a socket; ours stays open.

    Raises:
        QmpError: There is no such display, or *fd* is no socket.
    """
    await monitor.execute("getfd", {"fdname": _CLIENT}, fds=[fd])
    try:
        await monitor.execute(
            "add_client", {"protocol": protocol, "fdname": _CLIENT, "skipauth": skip_auth}
        )
    except QmpError:
        monitor.submit("closefd", {"fdname": _CLIENT})  # as it comes; QEMU does them in order
        raise
