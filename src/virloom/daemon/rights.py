# SPDX-License-Identifier: Apache-2.0
"""What a daemon of root's keeps of root's rights, from its start on, and its children with it.

The table of a daemon is in its :class:`~virloom.daemon.spec.DaemonSpec`; its systemd unit has the
same. Being root it still owns root's files, and is believed by D-Bus and polkit.
"""

from __future__ import annotations

import logging
import os
import re
import struct
from collections.abc import Mapping
from typing import NamedTuple

logger = logging.getLogger(__name__)

#: Numbers of linux/capability.h, by their names in capabilities(7) without ``CAP_``.
NUMBERS: Mapping[str, int] = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "NET_BIND_SERVICE": 10,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "SYS_RESOURCE": 24,
}
_CAPABILITY_VERSION_3 = 0x20080522


class Rights(NamedTuple):
    """What is kept.

    Attributes:
        capabilities: By their names in :data:`NUMBERS`.
        gains: Whether programs that the daemon runs may gain rights by their files: those that
            are setuid, or have a profile of a security module of their own.
    """

    capabilities: tuple[str, ...]
    gains: bool = True

    @property
    def mask(self) -> int:
        """The capabilities as ``/proc/PID/status`` shows them."""
        return sum(1 << NUMBERS[name] for name in self.capabilities)


#: Files, whoever owns them, and the group of sockets.
FILES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
#: Links, addresses, rules and parameters of the network, and packets as they are.
NETWORK = ("NET_ADMIN", "NET_RAW")
#: A server that becomes another user, and is told by us: dnsmasq, a DHCP client.
SERVERS = ("KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


def give_up(rights: Rights) -> None:
    """Keeps these alone, for good; called while there is one thread.

    A process that may not give up what others could gain (in a container, say) goes on with a
    warning.
    """
    if os.geteuid() != 0:
        return
    from virloom.host.spawn import drop_bounding, set_no_new_privileges  # loads ctypes
    from virloom.host.syscalls import capset

    held = _held()
    try:
        if held["CapBnd"] & ~rights.mask:
            drop_bounding([NUMBERS[name] for name in rights.capabilities])
        kept = held["CapPrm"] & rights.mask
        low, high = kept & 0xFFFFFFFF, kept >> 32
        header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
        capset(header, struct.pack("=6I", low, low, 0, high, high, 0))
        if not rights.gains:
            set_no_new_privileges(True)
    except OSError as exc:
        logger.warning("this daemon keeps more rights than it needs: %s", exc)


def _held() -> dict[str, int]:
    """The sets of capabilities of this thread."""
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as file:
        return {name: int(mask, 16) for name, mask in re.findall(r"^(Cap\w+):\s*(\w+)$",
                file.read(), re.MULTILINE)}  # fmt: skip
