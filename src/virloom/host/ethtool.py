# SPDX-License-Identifier: Apache-2.0
"""What a network link takes off the processor's hands, asked of the kernel (``SIOCETHTOOL``).

Numbers are those of the kernel's ``linux/ethtool.h``, words are libvirt's.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
#: Questions that are answered with yes or no, in libvirt's order.
_QUESTIONS = (
    ("rx", 0x14), ("tx", 0x16), ("sg", 0x18), ("tso", 0x1E), ("gso", 0x23), ("gro", 0x2B),
)  # fmt: skip
_GET_FLAGS = 0x25
#: Bits of the one that is answered with flags.
_FLAGS = (("lro", 15), ("rxvlan", 8), ("txvlan", 7), ("ntuple", 27), ("rxhash", 28))
_GET_FEATURES = 0x3A
_TUNNELS_BIT = 25


def link_features(name: str) -> list[str]:
    """The features that are on; none of a link that there is not.

    Args:
        name: The link's, in the network namespace of the calling thread.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        found = [word for word, question in _QUESTIONS if _ask(channel, name, question)]
        flags = _ask(channel, name, _GET_FLAGS)
        found += [word for word, bit in _FLAGS if flags >> bit & 1]
        if _active(channel, name) >> _TUNNELS_BIT & 1:
            found.append("txudptnl")
    return found


def _ask(channel: socket.socket, name: str, question: int) -> int:
    """The one number of an answer; 0 where the kernel or the link does not know the question."""
    asked = ctypes.create_string_buffer(struct.pack("=II", question, 0), 8)
    if not _exchange(channel, name, asked):
        return 0
    return int(struct.unpack_from("=I", asked.raw, 4)[0])


def _active(channel: socket.socket, name: str) -> int:
    """The first 32 of the features that are on."""
    room = 2  # blocks of four words: available, requested, active, never changed
    asked = ctypes.create_string_buffer(struct.pack("=II", _GET_FEATURES, room), 8 + 16 * room)
    if not _exchange(channel, name, asked):
        return 0
    return int(struct.unpack_from("=4I", asked.raw, 8)[2])


def _exchange(channel: socket.socket, name: str, asked: ctypes.Array[ctypes.c_char]) -> bool:
    request = struct.pack("=16sQ16x", name.encode()[:15], ctypes.addressof(asked))
    try:
        fcntl.ioctl(channel, _SIOCETHTOOL, request)
    except OSError:  # the link has gone, or has no answer to that
        return False
    return True
