# SPDX-License-Identifier: Apache-2.0
"""How much traffic a network's bridge carries: the network's limits, and what ports are sure of.

What goes in to the guests the bridge sends; what comes out of them it receives.
"""

from __future__ import annotations

from collections.abc import Collection

from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.ports.floors import limit_of, share_of, shares_of
from virloom.host import traffic
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort


def is_limited(model: Network) -> bool:
    """Whether the network's document limits traffic of a bridge."""
    return model.bandwidth is not None and model.bridge.name is not None


async def shape(host: NetworkHost, model: Network, ports: Collection[NetworkPort]) -> None:
    """Limits what the bridge carries, in place of what limited it before.

    Raises:
        InternalError: The kernel would not.
        SystemFailure: There is no tc.
    """
    wanted = model.bandwidth
    if wanted is not None and model.bridge.name:
        inbound, outbound = limit_of(wanted.inbound), limit_of(wanted.outbound)
        await traffic.share(host.run, model.bridge.name, inbound, outbound, shares_of(ports))


async def unshape(host: NetworkHost, bridge: str) -> None:
    """Takes the limits away, if there are any, and what was made for them."""
    await traffic.release(host.run, bridge)


async def is_shaped(host: NetworkHost, model: Network, ports: Collection[NetworkPort]) -> bool:
    """Whether the kernel has all that :func:`shape` would give it."""
    wanted, bridge = model.bandwidth, model.bridge.name
    if wanted is None or not bridge:
        return True
    numbers = {share.number for share in shares_of(ports)}
    classes = {1, 2} | numbers if limit_of(wanted.inbound) is not None else set()
    if await traffic.shared(host.run, bridge) != classes:
        return False
    receives = limit_of(wanted.outbound) is not None
    return await traffic.limits_received(host.run, bridge) == receives


async def reserve(
    host: NetworkHost, model: Network, port: NetworkPort, others: Collection[NetworkPort]
) -> None:
    """Makes a port sure of the rate that its document has.

    Raises:
        InternalError: The kernel would not; the others keep what they have.
    """
    share, sent = share_of(port), _sent(model)
    if share is not None and sent is not None:
        bridge = model.bridge.name or ""
        await traffic.add_share(host.run, bridge, sent, share, shares_of(others))


async def give_up(
    host: NetworkHost, model: Network, port: NetworkPort, others: Collection[NetworkPort]
) -> None:
    """The port is sure of nothing any more; *others* stay."""
    share, sent = share_of(port), _sent(model)
    if share is not None and sent is not None:
        bridge = model.bridge.name or ""
        await traffic.remove_share(host.run, bridge, sent, share, shares_of(others))


def _sent(model: Network) -> traffic.Limit | None:
    return limit_of(model.bandwidth.inbound) if model.bandwidth is not None else None
