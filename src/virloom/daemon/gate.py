# SPDX-License-Identifier: Apache-2.0
"""What a client may call, and when: after authentication, after opening, on which socket."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, Rpc

REMOTE = 0x20008086

#: Numbers of the remote program that the frame itself answers.
OPEN, CLOSE, SUPPORTS_FEATURE, AUTH_LIST, AUTH_POLKIT = 1, 2, 60, 66, 70
AUTH_SASL = frozenset((67, 68, 69))
SET_IDENTITY = 419
#: All of them.
OWN = frozenset((OPEN, CLOSE, SUPPORTS_FEATURE, AUTH_LIST, AUTH_POLKIT, *AUTH_SASL, SET_IDENTITY))

#: ``VIR_DRV_FEATURE_PROGRAM_KEEPALIVE``
KEEPALIVE_FEATURE = 10


def check_authenticated(authenticated: bool) -> None:
    """Refuses all but authentication before it.

    Raises:
        Rpc: The client has to authenticate first.
    """
    if not authenticated:
        raise Rpc("authentication required", domain=ErrorDomain.RPC)


def check_open(is_open: bool) -> None:
    """Refuses a driver's calls before the driver is opened.

    Raises:
        InternalError: CONNECT_OPEN has to come first.
    """
    if not is_open:
        raise InternalError("hypervisor connection not open", domain=ErrorDomain.RPC)
