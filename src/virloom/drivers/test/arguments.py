# SPDX-License-Identifier: Apache-2.0
"""Arguments that make no sense, and which of a domain's documents a call is about."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless, unknown_flags
from virloom.drivers.test.domain import Guest
from virloom.endpoint.dispatch import Call
from virloom.enums.domain import DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.model.domain import Domain

LIVE = int(DomainModificationImpact.LIVE)
CONFIG = int(DomainModificationImpact.CONFIG)
IMPACT = LIVE | CONFIG
STRING_OKAY = 4
"""``VIR_TYPED_PARAM_STRING_OKAY``"""


def check_flags(call: Call, flags: int, known: int = 0, *, function: str | None = None) -> None:
    """Refuses flags that a handler does not know.

    Raises:
        InvalidArg: With the unknown ones.
    """
    unknown = flags & ~int(known)
    if unknown:
        name = function or "test" + call.procedure.api_name.removeprefix("vir")
        raise unknown_flags(unknown, name, ErrorDomain.TEST)


def require_active(guest: Guest) -> Domain:
    """The document of a domain that runs.

    Raises:
        OperationInvalid: It does not.
    """
    if guest.live is None:
        raise OperationInvalid("domain is not running", domain=ErrorDomain.DOMAIN)
    return guest.live


def documents(guest: Guest, flags: int) -> tuple[Domain | None, Domain | None]:
    """What a change is for: the document of the running domain, that of its next start, or both.

    Without a flag it is for the one that is current.

    Raises:
        OperationInvalid: The domain has not what is to be changed.
    """
    live, config = bool(flags & LIVE), bool(flags & CONFIG)
    if not live and not config:
        live, config = guest.live is not None, guest.live is None
    if live:
        require_active(guest)
    if config and not guest.persistent:
        raise OperationInvalid(
            "transient domains do not have any persistent config", domain=ErrorDomain.DOMAIN
        )
    return (guest.live if live else None), (guest.config if config else None)


def document(guest: Guest, flags: int) -> Domain:
    """The one document that a reader looks at.

    Raises:
        InvalidArg: It is to look at both.
        OperationInvalid: The domain has not what is asked for.
    """
    if flags & IMPACT == IMPACT:
        raise senseless(
            "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive"
        )
    live, config = documents(guest, flags)
    found = live if live is not None else config
    assert found is not None
    return found
