# SPDX-License-Identifier: Apache-2.0
"""Removes a network link: one message of rtnetlink(7), for whoever cleans up and carries little."""

from __future__ import annotations

import errno
import os
import socket
import struct

#: ``RTM_DELLINK`` of linux/rtnetlink.h; ``NLM_F_REQUEST`` and ``NLM_F_ACK`` of linux/netlink.h.
_DELETE, _FLAGS = 17, 0x1 | 0x4
#: ``IFLA_IFNAME`` of linux/if_link.h.
_NAME = 3
_HEADER = struct.Struct("=IHHII")
_ANSWER = struct.Struct("=IHHIIi")
#: An empty ``struct ifinfomsg``: the name alone tells which.
_ANY = bytes(16)


def remove(name: str) -> None:
    """Removes the link; one that is not there is no error.

    Raises:
        OSError: The kernel would not.
    """
    text = os.fsencode(name) + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), _NAME) + text
    body = _ANY + attribute + bytes(-len(attribute) % 4)
    message = _HEADER.pack(_HEADER.size + len(body), _DELETE, _FLAGS, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(message)
        *_, result = _ANSWER.unpack_from(kernel.recv(4096))
    if result not in (0, -errno.ENODEV):
        raise OSError(-result, os.strerror(-result), name)
