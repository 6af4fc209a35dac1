# SPDX-License-Identifier: Apache-2.0
"""What a read-only connection is refused, wherever its driver is."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationDenied
from virloom.procedures.record import Procedure, Record

_DOMAINS = {
    "connect": ErrorDomain.DOMAIN,
    "domain": ErrorDomain.DOMAIN,
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


def check_readonly(procedure: Procedure[Any, Any], args: Record) -> None:
    """Refuses a call of a read-only connection that changes something, or shows a secret.

    Raises:
        OperationDenied: The call, or one of its flags, needs a connection that may write.
    """
    if procedure.readonly:
        if not procedure.denied_flags & getattr(args, "flags", 0) and not _asks_agent(args):
            return
        if procedure.name.endswith("XML_DESC"):
            raise _denied(procedure, f"{procedure.api_name} with secure flag")
    raise _denied(procedure, f"read only access prevents {procedure.api_name}")


def never_denied(procedure: Procedure[Any, Any]) -> bool:
    """Whether a read-only connection may make this call with whatever arguments."""
    asks = any(name == "source" for name, _ in procedure.args.WIRE)
    return procedure.readonly and not procedure.denied_flags and not asks


def _asks_agent(args: Record) -> bool:
    """Whether a call that looks for addresses would have the guest's agent do it."""
    source = getattr(args, "source", None)
    if not source:
        return False
    # Half a megabyte, which most daemons never need.
    from virloom.enums.domain import DomainInterfaceAddressesSource

    return bool(source == DomainInterfaceAddressesSource.AGENT)


def _denied(procedure: Procedure[Any, Any], why: str) -> OperationDenied:
    return OperationDenied(why, domain=error_domain(procedure))
