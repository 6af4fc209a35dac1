# SPDX-License-Identifier: Apache-2.0
"""Facts about this host that do not change while it runs."""

from __future__ import annotations

import functools
import os
import socket

from virloom.host.identity import boot_id

__all__ = ["boot_id", "cpu_count", "hostname"]


def hostname() -> str:
    """The host's name as the kernel has it; it may change, so it is read each time."""
    return socket.gethostname()


@functools.cache
def cpu_count() -> int:
    """The processors that are online, whether or not this process may use them all."""
    return os.sysconf("SC_NPROCESSORS_ONLN")
