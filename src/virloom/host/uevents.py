# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of devices that come, change and go (``NETLINK_KOBJECT_UEVENT``)."""

from __future__ import annotations

import errno
import socket
from typing import NamedTuple

_PROTOCOL = 15
#: The kernel's own messages; udev's are another group.
_KERNEL = 1
_BUFFER = 1 << 20
_LONGEST = 65536


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
            self._socket.bind((0, _KERNEL))
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
        while True:
            try:
                data, (sender, _) = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return found
            except OSError as exc:
                if exc.errno == errno.ENOBUFS:
                    raise UeventsLost from exc
                raise
            event = parse(data)
            if event is not None and sender == 0:  # the kernel: a process could send as well
                found.append(event)


def parse(data: bytes) -> Uevent | None:
    """The event of a message: ``ACTION@PATH``, then properties; None of what is no such message."""
    heading, *properties = data.decode(errors="replace").split("\0")
    action, at, path = heading.partition("@")
    if not at or not path.startswith("/"):
        return None
    former = next((one for one in properties if one.startswith("DEVPATH_OLD=")), None)
    return Uevent(action, path, former.partition("=")[2] if former is not None else None)
