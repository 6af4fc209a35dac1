# SPDX-License-Identifier: Apache-2.0
"""Which names a device of the host may be given by a document."""

from __future__ import annotations

import re

#: The kernel takes more (``dev_valid_name`` of net/core/dev.c: 15 bytes without slash, colon and
#: white space); these are names that no file of configuration and no command line takes amiss.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
#: The loopback device, and what stands for others below /proc/sys/net/ipv4/conf.
_TAKEN = frozenset(("lo", "all", "default"))


def is_device_name(name: str | None) -> bool:
    """Whether a device may be called that: never an option, a path or a word for others."""
    return name is not None and _NAME.fullmatch(name) is not None and name not in _TAKEN
