# SPDX-License-Identifier: Apache-2.0
"""Arguments that make no sense to any driver, refused with libvirt's codes, domains and words."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, Rpc

#: As many names or ids go into one answer.
LIST_MAX = 16384


def senseless(message: str, domain: ErrorDomain = ErrorDomain.DOMAIN) -> InvalidArg:
    """An error whose whole message is *message*; libvirt sends its numbers as 0."""
    error = InvalidArg.worded(message, domain=domain)
    error.int1 = error.int2 = 0
    return error


def unknown_flags(flags: int, function: str, domain: ErrorDomain) -> InvalidArg:
    """The error of flags that *function* does not know."""
    return senseless(f"unsupported flags ({flags:#x}) in function {function}", domain)


def check_flags(flags: int, known: int, function: str, domain: ErrorDomain) -> None:
    """Refuses flags that *function* does not know.

    Args:
        function: libvirt's name of it, which its message has.

    Raises:
        InvalidArg: With the unknown ones.
    """
    unknown = flags & ~int(known)  # an IntFlag's complement has only the bits of its members
    if unknown:
        raise unknown_flags(unknown, function, domain)


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
