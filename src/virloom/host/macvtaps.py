# SPDX-License-Identifier: Apache-2.0
"""Macvtaps are opened: character devices that packets of a network link are read from."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from virloom.host import taps

_LINKS = "/sys/class/net"


def open_queues(name: str, queues: int, *, header: bool, directory: str) -> list[int]:
    """Opens a macvtap, a descriptor for each queue.

    Args:
        name: Of the link.
        queues: How many.
        header: Packets carry the header of virtio.
        directory: Where a node of the device may be made for a moment: the host's kernel makes
            one in ``/dev``, but not in the ``/dev`` of a container.

    Raises:
        OSError: It is no macvtap, or cannot be opened.
    """
    flags = taps.TAP | taps.NO_INFORMATION
    flags |= taps.VIRTIO_HEADER if header else 0
    flags |= taps.QUEUES if queues > 1 else 0
    fds: list[int] = []
    try:
        for _ in range(queues):
            fds.append(_open(name, directory))
            fcntl.ioctl(fds[-1], taps.TUNSETIFF, taps.request(name, struct.pack("=H", flags)))
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def _open(name: str, directory: str) -> int:
    node, device = _device(name)
    try:
        return _open_node(f"/dev/{node}", device)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENODEV):
            raise
    path = os.path.join(directory, f"{node}.node")
    os.mknod(path, stat.S_IFCHR | 0o600, device)
    try:
        return _open_node(path, device)
    finally:
        os.unlink(path)


def _device(name: str) -> tuple[str, int]:
    """What the kernel calls the device of a link (``tap7``), and its number."""
    parent = f"{_LINKS}/{name}/macvtap"
    try:
        (node,) = os.listdir(parent)
    except (FileNotFoundError, ValueError) as exc:
        raise OSError(errno.ENODEV, f"the link '{name}' is no macvtap") from exc
    with open(f"{parent}/{node}/dev", encoding="ascii") as file:
        major, minor = map(int, file.read().split(":"))
    return node, os.makedev(major, minor)


def _open_node(path: str, device: int) -> int:
    """Opens a node, if it is that device's: another network's may be called alike."""
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if os.fstat(fd).st_rdev != device:
        os.close(fd)
        raise OSError(errno.ENODEV, f"'{path}' is another device")
    return fd
