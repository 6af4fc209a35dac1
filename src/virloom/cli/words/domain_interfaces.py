# SPDX-License-Identifier: Apache-2.0
"""A domain's network interfaces: which there are, their addresses, their traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import attribute, below, first, parsed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums.domain import DomainInterfaceAddressesSource, DomainXMLFlags

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain
    from virloom.client.domain.results import GuestInterface
    from virloom.xml import Node


async def interfaces_of(domain: Domain, flags: int = 0) -> list[Node]:
    """The interfaces in a domain's document."""
    return list(below(parsed(await domain.xml_desc(flags)), "devices/interface"))


_SOURCES = ("network", "bridge", "dev", "name", "portgroup", "path", "type")


def source_of(interface: Node) -> str:
    """What an interface is connected to; ``-`` for nothing with a name."""
    source = first(interface, "source")
    kind = interface.attributes.get("type", "")
    if source is None:
        return "-"
    for name in {"network": ("network",), "bridge": ("bridge",)}.get(kind, _SOURCES):
        if name in source.attributes:
            return source.attributes[name]
    return "-"


@command("domiflist")
async def domiflist(session: Session, arguments: Arguments) -> None:
    """Print a domain's network interfaces."""
    domain = await lookup.domain(session, arguments)
    flags = arguments.flag("inactive", DomainXMLFlags.INACTIVE)
    rows = [
        [
            attribute(interface, "target", "dev") or "-",
            interface.attributes.get("type", "-"),
            source_of(interface),
            attribute(interface, "model", "type") or "-",
            attribute(interface, "mac", "address") or "-",
        ]
        for interface in await interfaces_of(domain, flags)
    ]
    session.output.table(["Interface", "Type", "Source", "Model", "MAC"], rows)


def _is_called(interface: Node, name: str) -> bool:
    return name.lower() in (
        (attribute(interface, "mac", "address") or "").lower(),
        attribute(interface, "target", "dev") or "",
    )


@command("domif-getlink")
async def domif_getlink(session: Session, arguments: Arguments) -> None:
    """Print whether the cable of an interface is plugged in."""
    name = arguments.text("interface")
    domain = await lookup.domain(session, arguments)
    flags = arguments.flag("config", DomainXMLFlags.INACTIVE)
    found = [one for one in await interfaces_of(domain, flags) if _is_called(one, name)]
    if not found:
        kind = "MAC" if ":" in name and len(name) == 17 else "dev"
        raise CommandFailed(f"Interface ({kind.lower()}: {name}) not found.")
    session.output.fields([(name, attribute(found[0], "link", "state") or "up")], "{} {}")
    session.without_blank_line = True


_TRAFFIC = (
    "rx_bytes", "rx_packets", "rx_errs", "rx_drop", "tx_bytes", "tx_packets", "tx_errs", "tx_drop",
)  # fmt: skip


@command("domifstat")
async def domifstat(session: Session, arguments: Arguments) -> None:
    """Print the traffic of a domain's interface."""
    domain, name = await lookup.domain_named(session, arguments)
    device = arguments.text("interface")
    with failing(f"Failed to get interface stats {name} {device}"):
        stats = await domain.interfaces.stats(device)
    for kind in _TRAFFIC:
        value = getattr(stats, kind)
        if value >= 0:
            session.output.fields([(f"{device} {kind}", value)], "{} {}")


_ADDRESS_SOURCES = {
    "lease": DomainInterfaceAddressesSource.LEASE,
    "agent": DomainInterfaceAddressesSource.AGENT,
    "arp": DomainInterfaceAddressesSource.ARP,
}
_ADDRESS_TITLES = ("Name", "MAC address", "Protocol", "Address")
_ADDRESS_LINE = " {:<10} {:<17}    {:<12} {}"


@command("domifaddr")
async def domifaddr(session: Session, arguments: Arguments) -> None:
    """Print the addresses of a domain's interfaces."""
    domain = await lookup.domain(session, arguments)
    only = arguments.get("interface")
    source = arguments.text("source", "lease")
    if source not in _ADDRESS_SOURCES:
        raise CommandFailed(f"Unknown data source '{source}'")
    with failing("Failed to query for interfaces addresses"):
        found = await domain.interfaces.addresses(_ADDRESS_SOURCES[source])
    rows: list[Sequence[str]] = []
    for interface in found:
        if only is None or interface.name == only:
            rows += _address_rows(interface, full="full" in arguments)
    heading = _ADDRESS_LINE.format(*_ADDRESS_TITLES) + "\n" + "-" * 79
    session.output.lines(_ADDRESS_TITLES, rows, _ADDRESS_LINE, heading)


def _address_rows(interface: GuestInterface, *, full: bool) -> list[Sequence[str]]:
    mac = interface.hwaddr or ""
    if not interface.addresses:
        return [(interface.name, mac, "N/A", "N/A")]
    return [
        (
            interface.name if full or at == 0 else "-",
            mac if full or at == 0 else "-",
            "ipv6" if address.version == 6 else "ipv4",
            f"{address.address}/{address.prefix}",
        )
        for at, address in enumerate(interface.addresses)
    ]
