# SPDX-License-Identifier: Apache-2.0
"""Tells systemd how the daemon does (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Sends *state* (``READY=1``, ``STOPPING=1``, …) where somebody listens for it."""
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
        sender.sendto(state.encode(), address)
