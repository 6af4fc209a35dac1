# SPDX-License-Identifier: Apache-2.0
"""What of a domain a command changes: the running guest, its definition, or both."""

from __future__ import annotations

from virloom.cli.shell.arguments import Arguments
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainModificationImpact

LIVE = int(DomainModificationImpact.LIVE)
CONFIG = int(DomainModificationImpact.CONFIG)


def chosen_impact(arguments: Arguments) -> int | None:
    """The flags of ``--live``, ``--config`` and ``--current``; None when none of them was given.

    Some calls of libvirt have an older form without flags, which virsh makes in that case.
    """
    flags = arguments.impact()
    return flags if flags or "current" in arguments else None


def check_persistent(arguments: Arguments) -> None:
    """Raises CommandFailed for options of devices that exclude each other."""
    arguments.exclusive("persistent", "current")
    arguments.impact()


async def device_impact(domain: Domain, arguments: Arguments) -> int | None:
    """The same where ``--persistent`` means the definition, and the guest if it runs."""
    flags = chosen_impact(arguments)
    if "persistent" in arguments:
        flags = (flags or 0) | CONFIG
        if await domain.is_active():
            flags |= LIVE
    return flags
