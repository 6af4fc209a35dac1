# SPDX-License-Identifier: Apache-2.0
"""What a client may call, and when: after authentication, after opening, on which socket."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import AuthFailed, InternalError, OperationDenied, Rpc
from virloom.procedures.record import Procedure

REMOTE = 0x20008086

#: Numbers of the remote program that the frame itself answers.
OPEN, CLOSE, SUPPORTS_FEATURE, AUTH_LIST = 1, 2, 60, 66
_OTHER_AUTH = frozenset((67, 68, 69, 70))

#: ``VIR_DRV_FEATURE_PROGRAM_KEEPALIVE``
KEEPALIVE_FEATURE = 10

_DOMAINS = {
    "domain": ErrorDomain.DOMAIN,
    "qemu": ErrorDomain.DOMAIN,
    "network": ErrorDomain.NETWORK,
    "storage": ErrorDomain.STORAGE,
    "nodedev": ErrorDomain.NODEDEV,
    "secret": ErrorDomain.SECRET,
    "nwfilter": ErrorDomain.NWFILTER,
    "interface": ErrorDomain.INTERFACE,
}


def error_domain(procedure: Procedure[Any, Any]) -> ErrorDomain:
    """The domain of errors that libvirt's API itself raises for this call."""
    return _DOMAINS.get(procedure.area, ErrorDomain.NONE)


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


def check_writable(procedure: Procedure[Any, Any], readonly: bool) -> None:
    """Refuses what changes something on a read-only connection.

    Raises:
        OperationDenied: The call needs a connection that may write.
    """
    if readonly and not procedure.readonly:
        raise OperationDenied(
            f"read only access prevents {procedure.api_name}",
            domain=error_domain(procedure),
        )
