# SPDX-License-Identifier: Apache-2.0
"""Arguments that make no sense, refused with libvirt's codes, domains and words."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import (
    LIST_MAX,
    check_exclusive,
    check_parameters,
    check_room,
    senseless,
    unknown_flags,
)
from virloom.endpoint.dispatch import Call
from virloom.enums.error import ErrorDomain

__all__ = [
    "CELLS_MAX",
    "HOST_FIGURES_MAX",
    "HOST_PARAMETERS_MAX",
    "LIST_MAX",
    "check_exclusive",
    "check_flags",
    "check_host_flags",
    "check_parameters",
    "check_room",
    "senseless",
]

#: As many figures of the host go into one answer.
HOST_FIGURES_MAX = 16
HOST_PARAMETERS_MAX = 64
CELLS_MAX = 1024


def check_flags(
    call: Call,
    flags: int,
    known: int,
    *,
    domain: ErrorDomain = ErrorDomain.QEMU,
    function: str | None = None,
) -> None:
    """Refuses flags that a handler does not know, as libvirt does.

    Args:
        function: Who refuses them; the driver's function by default.

    Raises:
        InvalidArg: With the unknown ones.
    """
    unknown = flags & ~int(known)  # an IntFlag's complement has only the bits of its members
    if unknown:
        name = function or "qemu" + call.procedure.api_name.removeprefix("vir")
        raise unknown_flags(unknown, name, domain)


def check_host_flags(call: Call, flags: int, known: int, function: str) -> None:
    """The same where libvirt leaves it to what looks at the host, whose errors have no domain."""
    check_flags(call, flags, known, domain=ErrorDomain.NONE, function=function)
