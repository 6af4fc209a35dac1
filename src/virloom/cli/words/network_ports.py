# SPDX-License-Identifier: Apache-2.0
"""What is plugged into virtual networks: ports, and addresses given away."""

from __future__ import annotations

from datetime import datetime

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.network.ref import DHCPLease
from virloom.enums.network import IPAddrType, NetworkPortCreateFlags


@command("net-dhcp-leases")
async def leases(session: Session, arguments: Arguments) -> None:
    """List the addresses that a network has given away, or those of one MAC address."""
    mac = arguments.get("mac")
    network, name = await finding.network(session, arguments)
    with failing(f"Failed to get leases info for {name}"):
        found = await network.dhcp_leases(mac)
    found.sort(key=lambda lease: lease.mac or "")
    headers = ["Expiry Time", "MAC address", "Protocol", "IP address", "Hostname"]
    session.output.table([*headers, "Client ID or DUID"], [_lease(lease) for lease in found])


def _lease(lease: DHCPLease) -> list[str]:
    protocol = "ipv6" if lease.type == IPAddrType.IPV6 else "ipv4"
    return [
        _local_time(lease.expiry),
        lease.mac or "-",
        protocol,
        f"{lease.address}/{lease.prefix}",
        lease.hostname or "-",
        lease.client_id or "-",
    ]


def _local_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


@command("net-port-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List a network's ports."""
    if "table" in arguments and "uuid" in arguments:
        raise CommandFailed("Only one argument from --table and --uuid may be specified.")
    network, _ = await finding.network(session, arguments)
    found = sorted(str(port.uuid) for port in await network.list_ports())
    if "uuid" in arguments:
        session.output.column("uuid", found)
        return
    session.output.table(["UUID"], [[uuid] for uuid in found])


@command("net-port-create")
async def create(session: Session, arguments: Arguments) -> None:
    """Make a port of a network by a document in a file."""
    path = arguments.text("file")
    network, _ = await finding.network(session, arguments)
    document = read_document(path)
    flags = arguments.flag("validate", NetworkPortCreateFlags.VALIDATE)
    with failing(f"Failed to create network from {path}"):
        port = await network.create_port(document, flags)
    session.output.note(f"Network port {port.uuid} created from {path}")


@command("net-port-dumpxml")
async def dump(session: Session, arguments: Arguments) -> None:
    """Print a port's document."""
    port = await finding.network_port(session, arguments)
    if port is not None:
        print_document(session, arguments, await port.xml_desc())


@command("net-port-delete")
async def delete(session: Session, arguments: Arguments) -> None:
    """Take a port away."""
    port = await finding.network_port(session, arguments)
    if port is None:
        return
    with failing(f"Failed to delete network port {port.uuid}"):
        await port.delete()
    session.output.note(f"Network port {port.uuid} deleted")
