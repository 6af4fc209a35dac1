# SPDX-License-Identifier: Apache-2.0
"""What a network link lets in besides frames for its own address: groups, or everything.

Numbers are of linux/if.h and linux/sockios.h, the layout of netdevice(7).
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from virloom.host.taps import request

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCADDMULTI, _SIOCDELMULTI = 0x8931, 0x8932
_PROMISCUOUS, _ALL_GROUPS = 0x100, 0x200
_NAME_SIZE = 16
#: Groups of all links of this network: index, name, users, users by request, address (proc(5)).
_GROUPS = Path("/proc/thread-self/net/dev_mcast")


def set_modes(name: str, *, promiscuous: bool, all_groups: bool) -> None:
    """Has a link let in everything, or all that is for groups, or not.

    Raises:
        OSError: The kernel would not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = request(name)
        fcntl.ioctl(control, _SIOCGIFFLAGS, asked)
        (flags,) = struct.unpack_from("=H", asked, _NAME_SIZE)
        wanted = flags & ~(_PROMISCUOUS | _ALL_GROUPS)
        wanted |= (_PROMISCUOUS if promiscuous else 0) | (_ALL_GROUPS if all_groups else 0)
        if wanted != flags:
            fcntl.ioctl(control, _SIOCSIFFLAGS, request(name, struct.pack("=H", wanted)))


def groups_of(name: str) -> set[str]:
    """The groups (``01:00:5e:…``) that somebody asked to have let in; not the kernel's own."""
    found = set()
    for line in _GROUPS.read_text(encoding="ascii").splitlines():
        _, link, _, asked, address = line.split()
        if link == name and int(asked):
            found.add(":".join(address[at : at + 2] for at in range(0, len(address), 2)))
    return found


def set_groups(name: str, groups: Iterable[str]) -> None:
    """Has a link let in frames for these groups, and no others but the kernel's own.

    Raises:
        OSError: The kernel would not.
    """
    wanted, present = set(groups), groups_of(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for group in wanted - present:
            _change(control, name, group, _SIOCADDMULTI, errno.EEXIST)
        for group in present - wanted:
            _change(control, name, group, _SIOCDELMULTI, errno.ENOENT)


def _change(control: socket.socket, name: str, group: str, change: int, done: int) -> None:
    """Asks the kernel; *done* is what it says of what is as it is wanted already."""
    data = struct.pack("=H", socket.AF_UNSPEC) + bytes.fromhex(group.replace(":", ""))
    try:
        fcntl.ioctl(control, change, request(name, data))
    except OSError as exc:
        if exc.errno != done:
            raise
