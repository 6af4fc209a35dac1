# SPDX-License-Identifier: Apache-2.0
"""What a network link takes off the processor's hands (``SIOCETHTOOL``): asked, and set.

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
#: ``struct ethtool_coalesce``: 23 numbers, of which the third is the most received frames for which
#: one interrupt is enough.
_GET_COALESCING, _SET_COALESCING = 0x0E, 0x0F
_COALESCING = struct.Struct("=23I")
_RECEIVED_FRAMES = 2


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


def set_received_frames(name: str, frames: int) -> int:
    """Has a link gather so many received frames, at most, before it tells of them.

    Returns:
        How many it gathers, which may be less than was asked for.

    Raises:
        OSError: There is no such link, or it gathers none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        values = _coalescing(channel, name)
        values[0], values[_RECEIVED_FRAMES] = _SET_COALESCING, frames
        asked = ctypes.create_string_buffer(_COALESCING.pack(*values), _COALESCING.size)
        _require(channel, name, asked)
        return _coalescing(channel, name)[_RECEIVED_FRAMES]


def _coalescing(channel: socket.socket, name: str) -> list[int]:
    empty = _COALESCING.pack(_GET_COALESCING, *[0] * 22)
    asked = ctypes.create_string_buffer(empty, _COALESCING.size)
    _require(channel, name, asked)
    return list(_COALESCING.unpack(asked.raw))


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
    try:
        _require(channel, name, asked)
    except OSError:  # the link has gone, or has no answer to that
        return False
    return True


def _require(channel: socket.socket, name: str, asked: ctypes.Array[ctypes.c_char]) -> None:
    request = struct.pack("=16sQ16x", name.encode()[:15], ctypes.addressof(asked))
    fcntl.ioctl(channel, _SIOCETHTOOL, request)
