# SPDX-License-Identifier: Apache-2.0
"""Device nodes of the host, as a guest's own ``/dev`` is to have them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

DEV = "/dev"


class Node(NamedTuple):
    """A device node, or a symbolic link that leads to one.

    Attributes:
        path: Below ``/dev``.
        mode: File type and permissions; a link has :data:`stat.S_IFLNK`.
        device: Device number, 0 for a link.
        target: What a link says.
        label: ``security.selinux`` of it; None leaves what the kernel gives.
    """

    path: str
    mode: int
    device: int = 0
    uid: int = 0
    gid: int = 0
    target: str = ""
    label: str | None = None


class PrivateDev(NamedTuple):
    """What a new ``/dev`` has besides the mounts of the present one.

    Attributes:
        nodes: Parents need no entry of their own.
        context: SELinux label of the directory itself, where there is SELinux.
    """

    nodes: Sequence[Node] = ()
    context: str | None = None


def look_up(path: str, owner: tuple[int, int] | None = None) -> list[Node]:
    """The host's node at *path* as a guest is to have it, after the links that lead to it.

    Args:
        owner: Whose it becomes; None leaves the host's.

    Raises:
        OSError: There is no such file.
        ValueError: The links lead out of ``/dev``, or to no device.
    """
    found: list[Node] = []
    for _ in range(10):
        path = os.path.normpath(path)
        if not path.startswith(DEV + "/"):
            raise ValueError(f"'{path}' is not below {DEV}")
        status = os.lstat(path)
        if not stat.S_ISLNK(status.st_mode):
            break
        target = os.readlink(path)
        found.append(Node(path, stat.S_IFLNK, target=target))
        path = os.path.join(os.path.dirname(path), target)
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise ValueError(f"'{path}' is not a device")
    uid, gid = owner or (status.st_uid, status.st_gid)
    return [*found, Node(path, status.st_mode, status.st_rdev, uid, gid)]
