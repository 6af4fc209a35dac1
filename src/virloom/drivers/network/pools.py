# SPDX-License-Identifier: Apache-2.0
"""Pools of devices that are described by the card they are part of (``<pf dev='eth0'/>``).

What a card has of virtual functions (SR-IOV) is known when the network starts, and is shown in
its live document only.
"""

from __future__ import annotations

from virloom.drivers.network.completion import forward_mode
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.network import Network
from virloom.model.network.network import Forward, ForwardAddress, ForwardInterface


def fill_pool(host: NetworkHost, model: Network) -> None:
    """Puts a card's functions into the pool, in place, where the document names the card only.

    Raises:
        InternalError: It has none, or one of them is no device of the host (libvirt's code).
    """
    forward = model.forward
    if forward is None or not forward.pfs or forward.interfaces or forward.addresses:
        return
    card = forward.pfs[0].dev or ""
    functions = host.virtual_functions(card)
    if not functions:
        raise InternalError(
            f"No usable Vf's present on SRIOV PF {card}", domain=ErrorDomain.NETWORK
        )
    if forward_mode(model) == "hostdev":
        forward.addresses = [_address(function) for function, _ in functions]
    else:
        _fill_devices(forward, functions)


def _fill_devices(forward: Forward, functions: list[tuple[str, str | None]]) -> None:
    for function, device in functions:
        if device is None:
            raise InternalError(
                f"the function '{function}' of a pool of devices has no driver of the host",
                domain=ErrorDomain.NETWORK,
            )
        forward.interfaces.append(ForwardInterface(dev=device))


def _address(function: str) -> ForwardAddress:
    """Of ``0000:04:10.1``, as documents have it."""
    domain, bus, rest = function.split(":")
    slot, number = rest.split(".")
    return ForwardAddress(
        type="pci",
        domain=f"0x{domain}",
        bus=f"0x{bus}",
        slot=f"0x{slot}",
        function=f"0x{number}",
    )
