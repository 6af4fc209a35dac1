# SPDX-License-Identifier: Apache-2.0
"""What a client may call, and when: after authentication, after opening, on which socket."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import AuthFailed, InternalError, Rpc
from virloom.procedures.record import Procedure

REMOTE = 0x20008086

#: Numbers of the remote program that the frame itself answers.
OPEN, CLOSE, SUPPORTS_FEATURE, AUTH_LIST = 1, 2, 60, 66
_OTHER_AUTH = frozenset((67, 68, 69, 70))

#: ``VIR_DRV_FEATURE_PROGRAM_KEEPALIVE``
KEEPALIVE_FEATURE = 10


def check_authenticated(procedure: Procedure[Any, Any], authenticated: bool) -> None:
    """Refuses all but authentication before it.

    Raises:
        Rpc: The client has to authenticate first.
        AuthFailed: It asks for a way that is not offered.
    """
    if procedure.program == REMOTE and procedure.number in _OTHER_AUTH:
        raise AuthFailed("this way of authentication is not offered here", domain=ErrorDomain.RPC)
    if not authenticated:
        raise Rpc("authentication required", domain=ErrorDomain.RPC)


def check_open(is_open: bool) -> None:
    """Refuses a driver's calls before the driver is opened.

    Raises:
        InternalError: CONNECT_OPEN has to come first.
    """
    if not is_open:
        raise InternalError("hypervisor connection not open", domain=ErrorDomain.RPC)
