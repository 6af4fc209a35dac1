# SPDX-License-Identifier: Apache-2.0
"""The bridge of a network: made, given addresses and routes, and removed."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import TYPE_CHECKING, Any

from virloom.drivers.network.checks import prefix_of
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.model.network import Network
from virloom.model.network.network import NetworkRoute

if TYPE_CHECKING:
    from pyroute2 import AsyncIPRoute

#: ``IFA_F_NODAD`` of linux/if_addr.h: the bridge is new, nobody can have its address yet, and a
#: bridge without a port never finishes looking for others.
_NO_DUPLICATES = 0x02
#: The kernel counts the delay of bridges in hundredths of a second.
_TICKS = 100
#: ``RTPROT_BOOT`` of linux/rtnetlink.h: what libvirt's routes are, as those of ``ip route add``.
_BOOT = 3


def addresses_of(model: Network) -> list[IPv4Interface | IPv6Interface]:
    """The host's addresses in the network."""
    return [ip_interface(f"{ip.address}/{prefix_of(ip)}") for ip in model.ips]


def target_of(route: NetworkRoute) -> IPv4Network | IPv6Network:
    """Where a static route leads."""
    return ip_network(f"{route.address}/{prefix_of(route)}", strict=False)


async def make_bridge(host: NetworkHost, model: Network) -> int:
    """Makes the bridge with its addresses and routes, and has it work.

    Returns:
        Its index, which says whose bridge it is.

    Raises:
        SystemFailure: The kernel would not, with its reason.
    """
    name = model.bridge.name
    async with _talking(host, f"error creating bridge interface {name}") as kernel:
        await kernel.link("add", ifname=name, kind="bridge", **_properties(model))
        (index,) = await kernel.link_lookup(ifname=name)
    # The kernel reads some of them when the link comes up, and addresses need IPv6 to be there.
    _set_ipv6(host, model)
    async with _talking(host, f"cannot give the bridge '{name}' its addresses") as kernel:
        for address in addresses_of(model):
            await _add_address(kernel, index, address)
        await kernel.link("set", index=index, state="up")
        for route in model.routes:
            await _add_route(kernel, index, route)
    return int(index)


async def remove_bridge(host: NetworkHost, model: Network, index: int | None) -> None:
    """Removes the bridge, if it is there and the one that is meant.

    Args:
        index: What :func:`make_bridge` returned; None where nobody got to note it: then the
            bridge is known by its hardware address.

    Raises:
        SystemFailure: The kernel would not.
    """
    name = model.bridge.name
    address = model.mac.address if index is None else None
    if not host.has_link(name or "") or (index is None and address is None):
        return
    async with _talking(host, f"cannot remove the bridge '{name}'") as kernel:
        found = await _find(kernel, name or "", address)
        if found is not None and index in (None, found):
            await kernel.link("set", index=found, state="down")
            await kernel.link("del", index=found)


async def index_of(host: NetworkHost, name: str, address: str | None = None) -> int | None:
    """The index of the bridge of that name; None where there is none.

    Args:
        address: The hardware address that it has, if that is known.
    """
    async with _talking(host, f"cannot look at the bridge '{name}'") as kernel:
        return await _find(kernel, name, address)


async def _find(kernel: AsyncIPRoute, name: str, address: str | None) -> int | None:
    """The index of the bridge of that name, and of that address if one is meant.

    One link is asked for: the library takes half a millisecond to read each of all that there are.
    """
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        (link,) = await kernel.link("get", ifname=name)
    except NetlinkError as exc:
        if exc.code == errno.ENODEV:
            return None
        raise
    is_bridge = link.get(("linkinfo", "kind")) == "bridge"
    is_meant = address is None or link.get("address") == address.lower()
    return int(link["index"]) if is_bridge and is_meant else None


def _properties(model: Network) -> dict[str, Any]:
    bridge = model.bridge
    properties: dict[str, Any] = {
        "br_forward_delay": (bridge.delay or 0) * _TICKS,
        "br_stp_state": int(bridge.stp is not False),
    }
    if model.mac.address:
        properties["address"] = model.mac.address
    if model.mtu.size:
        properties["mtu"] = model.mtu.size
    if bridge.mac_table_manager == "libvirt":
        properties["br_vlan_filtering"] = 1
    return properties


def _set_ipv6(host: NetworkHost, model: Network) -> None:
    """A bridge without IPv6 address speaks none; guests cannot give it addresses or routes."""
    base = f"ipv6/conf/{model.bridge.name}"
    speaks = any(address.version == 6 for address in addresses_of(model))
    if not speaks and host.parameter(f"{base}/disable_ipv6") is None:
        return
    for parameter, value in (("disable_ipv6", not speaks), ("accept_ra", 0), ("autoconf", 0)):
        host.set_parameter(f"{base}/{parameter}", str(int(value)))


async def _add_address(
    kernel: AsyncIPRoute, index: int, address: IPv4Interface | IPv6Interface
) -> None:
    more: dict[str, Any] = {}
    if address.version == 6:
        more["flags"] = _NO_DUPLICATES
    elif address.network.prefixlen < 31:
        more["broadcast"] = str(address.network.broadcast_address)
    await kernel.addr(
        "add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **more
    )


async def _add_route(kernel: AsyncIPRoute, index: int, route: NetworkRoute) -> None:
    await kernel.route(
        "add",
        oif=index,
        dst=str(target_of(route)),
        gateway=route.gateway,
        priority=route.metric or 1,
        proto=_BOOT,
    )


@asynccontextmanager
async def _talking(host: NetworkHost, doing: str) -> AsyncIterator[AsyncIPRoute]:
    """A conversation whose refusals are errors that say what was being done."""
    async with host.links() as kernel:
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            yield kernel
        except NetlinkError as exc:
            cause = OSError(exc.code, str(exc.args[1] if len(exc.args) > 1 else exc))
            raise system_failure(doing, cause, domain=ErrorDomain.NONE) from exc
        except ValueError as exc:
            raise system_failure(
                f"{doing}: {exc}", OSError(errno.EINVAL, str(exc)), domain=ErrorDomain.NONE
            ) from exc
