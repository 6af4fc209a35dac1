# SPDX-License-Identifier: Apache-2.0
"""Tells systemd how the daemon does (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence

from virloom.host.fdpass import send_fds


def notify(state: str, fds: Sequence[int] = ()) -> None:
    """Sends *state* (``READY=1``, ``STOPPING=1``, …) where somebody listens for it.

    Args:
        fds: Go with it; ours stay open.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    # A daemon does its work whether or not systemd hears of it.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(address)
        send_fds(sender, state.encode(), fds)
