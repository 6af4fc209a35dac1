# SPDX-License-Identifier: Apache-2.0
"""An identity that a relay states for its client (``CONNECT_SET_IDENTITY``)."""

from __future__ import annotations

import os
from typing import Any

from virloom.daemon.token import PARAMETER, SystemToken
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import AccessDenied, ArgumentUnsupported, InvalidArg
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import TypedParam
from virloom.transport.base import PeerIdentity

_LLONG, _ULLONG, _STRING = 3, 4, 7
_TYPE_NAMES = ("int", "uint", "llong", "ullong", "double", "boolean", "string")

#: libvirt's names (``VIR_CONNECT_IDENTITY_*``): the type of each, and our field if we have one.
_PARAMETERS: dict[str, tuple[int, str | None]] = {
    "user-name": (_STRING, None),
    "unix-user-id": (_ULLONG, "uid"),
    "group-name": (_STRING, None),
    "unix-group-id": (_ULLONG, "gid"),
    "process-id": (_LLONG, "pid"),
    "process-time": (_ULLONG, None),
    "sasl-user-name": (_STRING, "sasl_user"),
    "x509-distinguished-name": (_STRING, "tls_name"),
    "selinux-context": (_STRING, None),
    PARAMETER: (_STRING, None),
}


def identity_of(peer: PeerIdentity, *, readonly: bool) -> Identity:
    """Who a client is before it has said for whom it speaks: who has connected."""
    return Identity(
        uid=peer.uid,
        gid=peer.gid,
        pid=peer.pid,
        tls_name=peer.certificate,
        readonly=readonly,
    )


def stated_identity(identity: Identity, token: SystemToken | None = None) -> list[TypedParam]:
    """What is stated of a caller.

    Args:
        token: For a driver of ours that asks by itself. A relay has none to state: what its
            client may, the relay does not widen.

    Raises:
        VirloomError: The token is not to be had.
    """
    stated = [
        TypedParam(name, TypedParamValue(kind, value))
        for name, (kind, field) in _PARAMETERS.items()
        if field is not None and (value := getattr(identity, field)) is not None
    ]
    if token is not None and identity.trusted:
        stated.append(TypedParam(PARAMETER, TypedParamValue(_STRING, token.value())))
    return stated


def claimed_identity(
    peer: PeerIdentity,
    parameters: list[TypedParam],
    *,
    readonly: bool,
    token: SystemToken | None = None,
    relay_uid: int | None = None,
) -> Identity:
    """The identity that *peer* states for whom it speaks.

    Args:
        token: What a daemon of ours knows, where it matters.
        relay_uid: The user of virtproxyd.

    Raises:
        AccessDenied: It may not speak for others: it is neither root nor our own user, nor that.
        ArgumentUnsupported: A parameter that we do not know.
        InvalidArg: One of a wrong type, or twice.
    """
    if peer.uid is None or peer.uid not in (0, os.geteuid(), relay_uid):
        raise AccessDenied(
            "only root, the daemon's own user and virtproxyd's may state an identity",
            domain=ErrorDomain.ACCESS,
        )
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for parameter in parameters:
        name, value = parameter.field, parameter.value
        if name not in _PARAMETERS:
            raise ArgumentUnsupported(f"parameter '{name}' not supported")
        kind, field = _PARAMETERS[name]
        if value.type != kind:
            raise InvalidArg(
                f"invalid type '{_TYPE_NAMES[value.type - 1]}' for parameter '{name}', "
                f"expected '{_TYPE_NAMES[kind - 1]}'"
            )
        if name in seen:
            raise InvalidArg(f"parameter '{name}' occurs multiple times")
        seen.add(name)
        if field is not None:
            fields[field] = value.value
        if name == PARAMETER and token is not None:
            fields["trusted"] = token.matches(str(value.value))
    return Identity(**fields, readonly=readonly)
