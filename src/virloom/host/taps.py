# SPDX-License-Identifier: Apache-2.0
"""Taps: the host's ends of guests' network cards, made and put on a bridge by ioctl.

They need neither netlink nor a program: a NIC may add milliseconds to a start, and the daemon of
guests does not carry a netlink library. A tap lasts as long as somebody has it open, so it goes
with its guest whatever becomes of us.

Numbers are of linux/if_tun.h and linux/sockios.h, the layout of netdevice(7).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

from virloom.host import openings
from virloom.host.links import NAME_SIZE, REQUEST_SIZE, index_of

#: What makes taps, for whoever opens it.
DEVICE = "/dev/net/tun"

TUNSETIFF = 0x400454CA
_TUNGETIFF = 0x800454D2
#: ``IFF_TAP``, ``IFF_NO_PI``, ``IFF_VNET_HDR``, ``IFF_MULTI_QUEUE``, ``IFF_TUN_EXCL``.
TAP, NO_INFORMATION, VIRTIO_HEADER, QUEUES, _NEW = 0x2, 0x1000, 0x4000, 0x100, 0x8000

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCGIFMTU, _SIOCSIFMTU, _SIOCSIFHWADDR = 0x8921, 0x8922, 0x8924
_SIOCBRADDIF, _SIOCBRDELIF = 0x89A2, 0x89A3
_UP = 0x1
_ETHERNET = 1


def request(name: str, data: bytes = b"") -> bytearray:
    """A ``struct ifreq`` about a link.

    Raises:
        OSError: EINVAL: no link can be called so.
    """
    encoded = os.fsencode(name)
    if len(encoded) >= NAME_SIZE or not encoded:
        raise OSError(errno.EINVAL, f"'{name}' is no name of a network link")
    packed = encoded.ljust(NAME_SIZE, b"\0") + data
    return bytearray(packed.ljust(REQUEST_SIZE, b"\0"))


@contextlib.contextmanager
def _control() -> Iterator[int]:
    with openings.new_socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        yield control.fileno()


def open_tap(
    name: str, queues: int, *, header: bool, new: bool, device: str = DEVICE
) -> tuple[str, list[int]]:
    """Opens a tap, a descriptor for each queue.

    Args:
        name: Of the link.
        queues: How many; more than one is a tap of several queues.
        header: Packets carry the header of virtio, for cards that hand work to each other.
        new: It must not be there yet; else it is one that somebody has made to last.
        device: What makes it.

    Returns:
        The name that the kernel gave it, and the descriptors, the caller's own.

    Raises:
        OSError: EBUSY where there is a link of that name; EPERM without the right to make one.
    """
    flags = TAP | NO_INFORMATION
    flags |= VIRTIO_HEADER if header else 0
    flags |= QUEUES if queues > 1 else 0
    fds: list[int] = []
    try:
        for number in range(queues):
            fds.append(openings.open_file(device, os.O_RDWR | os.O_NONBLOCK))
            # Only the first queue makes the link, and only there can it be in the way.
            first = _NEW if new and number == 0 else 0
            asked = request(name, struct.pack("=H", flags | first))
            fcntl.ioctl(fds[-1], TUNSETIFF, asked)
            name = os.fsdecode(bytes(asked[:NAME_SIZE]).rstrip(b"\0"))
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return name, fds


def name_of(fd: int) -> str:
    """The name of the tap that a descriptor is of.

    Raises:
        OSError: It is of none.
    """
    asked = bytearray(REQUEST_SIZE)
    fcntl.ioctl(fd, _TUNGETIFF, asked)
    return os.fsdecode(bytes(asked[:NAME_SIZE]).rstrip(b"\0"))


def set_address(name: str, address: str) -> None:
    """Gives a link its hardware address (``52:54:00:…``).

    Raises:
        OSError: The kernel would not.
    """
    data = struct.pack("=H", _ETHERNET) + bytes.fromhex(address.replace(":", ""))
    with _control() as control:
        fcntl.ioctl(control, _SIOCSIFHWADDR, request(name, data))


def set_mtu(name: str, size: int) -> None:
    """Sets how long a packet of a link may be, in bytes.

    Raises:
        OSError: The kernel would not.
    """
    with _control() as control:
        fcntl.ioctl(control, _SIOCSIFMTU, request(name, struct.pack("=i", size)))


def mtu_of(name: str) -> int:
    """How long a packet of a link may be, in bytes.

    Raises:
        OSError: ENODEV: there is no such link.
    """
    with _control() as control:
        asked = request(name)
        fcntl.ioctl(control, _SIOCGIFMTU, asked)
        (size,) = struct.unpack_from("=i", asked, NAME_SIZE)
        return int(size)


def set_up(name: str, *, up: bool = True) -> None:
    """Has a link carry packets, or not.

    Raises:
        OSError: The kernel would not.
    """
    with _control() as control:
        asked = request(name)
        fcntl.ioctl(control, _SIOCGIFFLAGS, asked)
        (flags,) = struct.unpack_from("=H", asked, NAME_SIZE)
        wanted = flags | _UP if up else flags & ~_UP
        if wanted != flags:
            fcntl.ioctl(control, _SIOCSIFFLAGS, request(name, struct.pack("=H", wanted)))


def add_to_bridge(bridge: str, name: str) -> None:
    """Makes a link a port of a bridge.

    Raises:
        OSError: ENODEV where there is no such bridge, EOPNOTSUPP where it is none.
    """
    _change_port(bridge, name, _SIOCBRADDIF)


def remove_from_bridge(bridge: str, name: str) -> None:
    """Ends that.

    Raises:
        OSError: EINVAL where it is no port of it.
    """
    _change_port(bridge, name, _SIOCBRDELIF)


def _change_port(bridge: str, name: str, change: int) -> None:
    with _control() as control:
        index = struct.pack("=i", index_of(name))
        fcntl.ioctl(control, change, request(bridge, index))
