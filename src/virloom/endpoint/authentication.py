# SPDX-License-Identifier: Apache-2.0
"""How a client says who it is, before it opens anything: the ways that a daemon offers."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.endpoint.endpoint import Endpoint
from virloom.enums.error import ErrorDomain
from virloom.errors import AuthUnavailable, VirloomError
from virloom.procedures import connect as p
from virloom.procedures.record import VOID

#: Ways to authenticate, as AUTH_LIST numbers them.
AUTH_NONE, AUTH_SASL, AUTH_POLKIT = 0, 1, 2
_NAMES = {AUTH_NONE: "none", AUTH_SASL: "sasl", AUTH_POLKIT: "polkit"}


async def authenticate(endpoint: Endpoint, wanted: str | None) -> None:
    """The first way on offer, or the wanted one, as libvirt's own client chooses.

    Args:
        wanted: What the URI asks for.

    Raises:
        AuthUnavailable: The daemon asks for a way that there is not here.
        VirloomError: What it answered.
    """
    offered = (await endpoint.call(p.AUTH_LIST, VOID)).types
    chosen = _choose([int(kind) for kind in offered], wanted)
    if chosen == "polkit":
        await endpoint.call(p.AUTH_POLKIT, VOID)
    elif chosen != "none":
        way = f"{chosen} ({await _mechanisms(endpoint)})" if chosen == "sasl" else chosen
        raise AuthUnavailable(
            f"the daemon asks for authentication by {way}, which this client cannot do",
            domain=ErrorDomain.REMOTE,
            remedy="use another transport, such as ssh, or let the daemon ask for none",
        )


def _choose(offered: Sequence[int], wanted: str | None) -> str:
    names = [_NAMES.get(kind, str(kind)) for kind in offered]
    if wanted is None:
        return (names or ["none"])[0]
    way = wanted.partition(".")[0]
    if way not in names:
        raise AuthUnavailable(
            f"the daemon offers {', '.join(names) or 'nothing'}, not '{wanted}'",
            domain=ErrorDomain.REMOTE,
        )
    return way


async def _mechanisms(endpoint: Endpoint) -> str:
    """SASL's mechanisms on offer, in words."""
    try:
        offered = (await endpoint.call(p.AUTH_SASL_INIT, VOID)).mechlist
    except VirloomError as exc:
        return f"whose mechanisms it does not tell: {exc.message}"
    return ", ".join(offered.replace(",", " ").split()) or "no mechanism"
