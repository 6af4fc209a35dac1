# SPDX-License-Identifier: Apache-2.0
"""Arguments that make no sense, refused with libvirt's codes, domains and words."""

from __future__ import annotations

from virloom.endpoint.dispatch import Call
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, Rpc

#: As many names or ids go into one answer, and as many figures of the host.
LIST_MAX = 16384
HOST_FIGURES_MAX = 16
HOST_PARAMETERS_MAX = 64
CELLS_MAX = 1024


def senseless(message: str, domain: ErrorDomain = ErrorDomain.DOMAIN) -> InvalidArg:
    """An error whose whole message is *message*; libvirt sends its numbers as 0."""
    error = InvalidArg.worded(message, domain=domain)
    error.int1 = error.int2 = 0
    return error


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
        raise senseless(f"unsupported flags ({unknown:#x}) in function {name}", domain)


def check_host_flags(call: Call, flags: int, known: int, function: str) -> None:
    """The same where libvirt leaves it to what looks at the host, whose errors have no domain."""
    check_flags(call, flags, known, domain=ErrorDomain.NONE, function=function)


def check_exclusive(flags: int) -> None:
    """A reader looks at the running domain or at the definition.

    Raises:
        InvalidArg: It is to look at both.
    """
    if flags & 3 == 3:
        raise senseless(
            "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive"
        )


def check_room(name: str, room: int, most: int, constant: str) -> None:
    """How long a list the caller has room for.

    Raises:
        Rpc: Less than nothing, or more than a message holds.
    """
    if room < 0:
        raise Rpc(f"{name} must be non-negative", domain=ErrorDomain.RPC)
    if room > most:
        raise Rpc(f"{name} > {constant}", domain=ErrorDomain.RPC)


def check_parameters(room: int, most: int) -> None:
    """How many parameters the caller has room for.

    Raises:
        InternalError: Less than none, or more than a message holds.
    """
    if room < 0:
        raise InternalError("nparams must be non-negative", domain=ErrorDomain.RPC)
    if room > most:
        raise InternalError("nparams too large", domain=ErrorDomain.RPC)
