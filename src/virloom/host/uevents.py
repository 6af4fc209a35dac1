# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of devices that come, change and go (``NETLINK_KOBJECT_UEVENT``).

Where udevd runs, it tells the same once more when it has done its part: its rules name disks and
links in ``/dev``, and only then is written what it knows of a device. So its messages are taken
instead of the kernel's there. Their head is that of libudev (systemd's ``sd-device-monitor``).
"""

from __future__ import annotations

import errno
import re
import socket
import struct
from pathlib import Path
from typing import NamedTuple

_PROTOCOL = 15
#: The groups of messages: the kernel's own, and those of udevd.
_KERNEL, _UDEV = 1, 2
_BUFFER = 1 << 20
_LONGEST = 65536
#: Process, user and group of whoever has sent a message.
_CREDENTIALS = struct.Struct("3i")
#: Prefix, magic number (big-endian), length of the head, place and length of the properties.
_HEAD = struct.Struct("=8s4s3I")
_PREFIX, _MAGIC = b"libudev\0", b"\xfe\xed\xca\xfe"
#: The sockets of this network namespace, and that which udevd has where it runs.
_SOCKETS = Path("/proc/net/unix")
_CONTROL = re.compile(rb" /run/udev/control$", re.MULTILINE)


class Uevent(NamedTuple):
    """One message.

    Attributes:
        action: ``add``, ``remove``, ``change``, ``move``, ``bind``, ``unbind``, …
        path: Of the device below ``/sys``.
        former: The path that it had, where it was moved.
    """

    action: str
    path: str
    former: str | None = None


class UeventsLost(Exception):
    """There were more than the socket holds: whoever listens has to look for itself."""


class Uevents:
    """A socket that hears them, for the network namespace that it is made in."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, _PROTOCOL
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind((0, _KERNEL | _UDEV))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For a loop that is to say when there are some."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hears no more."""
        self._socket.close()

    def read(self) -> list[Uevent]:
        """Those that have come.

        Raises:
            UeventsLost: Some are lost.
        """
        found: list[Uevent] = []
        by_udev: bool | None = None
        while True:
            try:
                data, more, _, (sender, _) = self._socket.recvmsg(
                    _LONGEST, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
            except BlockingIOError:
                return found
            except OSError as exc:
                if exc.errno == errno.ENOBUFS:
                    raise UeventsLost from exc
                raise
            if sender != 0:  # not the kernel: root's udevd, or any process
                event = parse_udev(data) if _user(more) == 0 else None
            else:
                by_udev = udev_runs() if by_udev is None else by_udev
                event = None if by_udev else parse(data)
            if event is not None:
                found.append(event)


def udev_runs(sockets: Path = _SOCKETS) -> bool:
    """Whether udevd tells of devices in this network namespace.

    Its files would say less: a container may see those of its host, whom its links do not concern.
    """
    try:
        return _CONTROL.search(sockets.read_bytes()) is not None
    except OSError:
        return False


def _user(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(_CREDENTIALS.unpack(data[: _CREDENTIALS.size])[1])
    return None


def parse(data: bytes) -> Uevent | None:
    """The event of a kernel's message; None of what is no such message.

    It is ``ACTION@PATH``, then properties.
    """
    heading, *properties = data.decode(errors="replace").split("\0")
    action, at, path = heading.partition("@")
    if not at or not path.startswith("/"):
        return None
    return Uevent(action, path, _properties(properties).get("DEVPATH_OLD"))


def parse_udev(data: bytes) -> Uevent | None:
    """The event of a message of udevd; None of what is no such message."""
    if len(data) < _HEAD.size:
        return None
    prefix, magic, _, start, length = _HEAD.unpack_from(data)
    if (prefix, magic) != (_PREFIX, _MAGIC) or start < _HEAD.size or start + length > len(data):
        return None
    told = _properties(data[start : start + length].decode(errors="replace").split("\0"))
    action, path = told.get("ACTION"), told.get("DEVPATH", "")
    if not action or not path.startswith("/"):
        return None
    return Uevent(action, path, told.get("DEVPATH_OLD"))


def _properties(lines: list[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines if "=" in line)
