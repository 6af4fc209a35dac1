# SPDX-License-Identifier: Apache-2.0
"""Tells systemd how the daemon does (sd_notify(3))."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Sequence

from virloom.host.fdpass import send_fds


@functools.cache
def _listener(address: str) -> socket.socket | None:
    """Connected once: a daemon may come to have less rights than it began with."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError:  # a daemon does its work whether or not systemd hears of it
        sender.close()
        return None
    return sender


def prepare() -> None:
    """To be called while the listener can be reached, by who gives up rights."""
    _listener(os.environ.get("NOTIFY_SOCKET", ""))


def notify(state: str, fds: Sequence[int] = ()) -> None:
    """Sends *state* (``READY=1``, ``STOPPING=1``, …) where somebody listens for it.

    Args:
        fds: Go with it; ours stay open.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    sender = _listener(address) if address else None
    if sender is not None:
        with contextlib.suppress(OSError):
            send_fds(sender, state.encode(), fds)
