# SPDX-License-Identifier: Apache-2.0
"""Network links: made and removed by single messages of rtnetlink(7).

Numbers are of linux/if_link.h and linux/neighbour.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys

from virloom.host import openings
from virloom.host.rtnetlink import (
    ANY,
    DELETE_LINK,
    NAME,
    NEW_LINK,
    NEW_NEIGHBOUR,
    SET_LINK,
    ask,
    attribute,
    attributes,
    hardware,
    link,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

_LINKS = "/sys/class/net"

_SIOCGIFNAME, _SIOCGIFINDEX = 0x8910, 0x8933
#: Bytes of ``struct ifreq`` (netdevice(7)), which is as long as its longest form, and of the name
#: in it, with the zero at its end (``IFNAMSIZ``).
REQUEST_SIZE, NAME_SIZE = 40, 16

#: ``IFLA_AF_SPEC``, ``IFLA_BRIDGE_VLAN_INFO``; ``BRIDGE_VLAN_INFO_PVID``, ``…_UNTAGGED``.
_BRIDGE_PART, _VLAN, _NATIVE, _UNTAGGED = 26, 2, 0x2, 0x4
#: ``IFLA_BR_VLAN_FILTERING``, ``IFLA_BR_VLAN_DEFAULT_PVID``.
_FILTERS_VLANS, _USUAL_VLAN = 7, 39
#: ``NLM_F_EXCL`` with ``NLM_F_CREATE``.
_CREATING = 0x200 | 0x400
_ADDRESS, _LINK, _MASTER, _INFO = 1, 5, 10, 18
#: ``IFLA_PROTINFO`` with ``NLA_F_NESTED``, and what is in it: ``IFLA_BRPORT_*``.
_PORT_DATA = 12 | 0x8000
_OPTIONS = {"learning": 8, "unicast_flood": 9, "isolated": 33}
_KIND, _DATA = 1, 2
_MACVLAN_MODE = 1
_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthrough": 8}
#: ``NDA_LLADDR``; ``NTF_MASTER``: in its bridge's table; ``NUD_REACHABLE`` with ``NUD_NOARP``: for
#: as long as it is there, and not an address of the host's.
_NEIGHBOUR_ADDRESS, _OF_MASTER, _REACHABLE = 2, 0x4, 0x02 | 0x40


def remove(name: str) -> None:
    """Removes the link; one that is not there is no error.

    Raises:
        OSError: The kernel would not.
    """
    try:
        ask(DELETE_LINK, 0, ANY + attribute(NAME, text(name)))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


def add_macvtap(name: str, lower: str, mode: str, address: str) -> None:
    """Makes a link on another one, which shares the wire with it, and whose packets are read and
    written by a character device.

    Args:
        name, address: The new link's.
        lower: The link of the wire.
        mode: ``private``, ``vepa``, ``bridge``, ``passthrough``. By the last the wire's link takes
            the address, and has its own back when this one has gone.

    Raises:
        OSError: EEXIST: there is a link of that name; ENODEV: there is no *lower* one; EBUSY or
            EINVAL: others are on it, which do not agree with the mode.
    """
    data = attribute(_MACVLAN_MODE, struct.pack("=I", _MODES[mode]))
    info = attribute(_KIND, b"macvtap") + attribute(_DATA, data)
    index = index_of(lower)
    ask(
        NEW_LINK,
        _CREATING,
        ANY
        + attribute(NAME, text(name))
        + attribute(_LINK, struct.pack("=I", index))
        + attribute(_ADDRESS, hardware(address))
        + attribute(_INFO, info),
    )


def remove_macvtap(name: str, lower: str, addresses: Container[str]) -> None:
    """Removes what :func:`add_macvtap` made; another link that has got the name since stays.

    Args:
        addresses: Those that it may have.

    Raises:
        OSError: The kernel would not.
    """
    own = address_of(name)
    # One that passes everything through has the wire's address before it gets its own.
    ours = own is not None and (own in addresses or own == address_of(lower))
    if ours and os.path.isdir(f"{_LINKS}/{name}/macvtap"):
        remove(name)


def address_of(name: str) -> str | None:
    """The link's hardware address (``52:54:00:…``); None where there is no such link."""
    try:
        with open(f"{_LINKS}/{name}/address", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def add_bridge_entry(port: str, address: str) -> None:
    """Tells the bridge of *port* who is behind it; it goes with the port.

    Raises:
        OSError: The link is no port of a bridge, or the kernel would not.
    """
    # ``struct ndmsg``: family, padding, link, state, flags, type.
    index = index_of(port)
    entry = struct.pack("=BxxxiHBB", socket.AF_BRIDGE, index, _REACHABLE, _OF_MASTER, 0)
    ask(
        NEW_NEIGHBOUR,
        0x100 | 0x400,  # made, or put in place of what the bridge has learned
        entry + attribute(_NEIGHBOUR_ADDRESS, hardware(address)),
    )


def index_of(name: str) -> int:
    """The number of a link.

    Raises:
        OSError: There is none of that name.
    """
    if not 0 < len(os.fsencode(name)) < NAME_SIZE:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    asked = bytearray(os.fsencode(name).ljust(REQUEST_SIZE, b"\0"))
    with openings.new_socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCGIFINDEX, asked)
    return int(struct.unpack_from("=i", asked, NAME_SIZE)[0])


def exists(name: str) -> bool:
    """Whether there is a link of that name."""
    try:
        index_of(name)
    except OSError:
        return False
    return True


def name_of(index: int) -> str:
    """The name of a link.

    Raises:
        OSError: There is none of that number.
    """
    asked = bytearray(REQUEST_SIZE)
    struct.pack_into("=i", asked, NAME_SIZE, index)
    with openings.new_socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCGIFNAME, asked)
    return os.fsdecode(bytes(asked[:NAME_SIZE]).split(b"\0")[0])


def bridge_of(port: str) -> str | None:
    """The bridge, or another master, that a link is a port of; None for a link by itself.

    sysfs would tell it too, but of the network in which it was mounted.
    """
    try:
        told = link(port)
    except OSError:
        return None
    for kind, value in told:
        if kind == _MASTER:
            return name_of(*struct.unpack("=I", value))
    return None


def set_port_option(port: str, option: str, value: bool) -> None:
    """Sets what the bridge does with its port: ``isolated``, ``learning``, ``unicast_flood``.

    Raises:
        OSError: The link is no port of a bridge, or the kernel would not.
    """
    inner = attribute(_OPTIONS[option], bytes([value]))
    ask(SET_LINK, 0, _of_port(port) + attribute(_PORT_DATA, inner))


def add_port_vlan(port: str, tag: int, *, native: bool, untagged: bool) -> None:
    """Puts a port of a bridge into a VLAN.

    Args:
        native: Frames that come without a tag are of it.
        untagged: Its frames leave without one.

    Raises:
        OSError: The link is no port, its bridge knows no VLANs, or there is no such one (EINVAL).
    """
    flags = (_NATIVE if native else 0) | (_UNTAGGED if untagged else 0)
    ask(SET_LINK, 0, _port_vlan(port, tag, flags))


def remove_port_vlan(port: str, tag: int) -> None:
    """Takes it out of one.

    Raises:
        OSError: As :func:`add_port_vlan`, or ENOENT: it is not in it.
    """
    ask(DELETE_LINK, 0, _port_vlan(port, tag, 0))


def _port_vlan(port: str, tag: int, flags: int) -> bytes:
    vlan = attribute(_VLAN, struct.pack("=HH", flags, tag))
    return _of_port(port) + attribute(_BRIDGE_PART, vlan)


def _of_port(port: str) -> bytes:
    # ``struct ifinfomsg``: family, padding, type, index, flags, mask.
    return struct.pack("=BxHiII", socket.AF_BRIDGE, 0, index_of(port), 0, 0)


def usual_vlan(bridge: str) -> int | None:
    """The VLAN that ports of a bridge are in when nobody says, 0 for none; None where it tells no
    VLANs apart, or there is no such bridge."""
    try:
        told = link(bridge)
    except OSError:
        return None
    found = dict(told)
    for part in (_INFO, _DATA):
        found = dict(attributes(found.get(part, b"")))
    if not found.get(_FILTERS_VLANS, b"\0")[0]:
        return None
    return int.from_bytes(found.get(_USUAL_VLAN, b""), sys.byteorder)
