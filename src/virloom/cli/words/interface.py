# SPDX-License-Identifier: Apache-2.0
"""The host's own network interfaces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.deeds import Editor, Words, deed, editor, maker, printer
from virloom.cli.shell.failure import failing
from virloom.cli.shell.listing import listing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.interface import HostInterfaces
from virloom.enums import interface as e

maker(
    "iface-define",
    lambda connection, text, flags: connection.interfaces.define_xml(text, flags),
    lambda interface: interface.name,
    Words(
        "Define an interface of the host, or change one, by a document in a file.",
        "Interface {0} defined from {1}",
        "Failed to define interface from {}",
    ),
)
deed(
    "iface-start",
    finding.interface,
    lambda interface, arguments: interface.create(),
    Words("Bring an interface up.", "Interface {} started", "Failed to start interface {}"),
)
deed(
    "iface-destroy",
    finding.interface,
    lambda interface, arguments: interface.destroy(),
    Words("Take an interface down.", "Interface {} destroyed", "Failed to destroy interface {}"),
)
deed(
    "iface-undefine",
    finding.interface,
    lambda interface, arguments: interface.undefine(),
    Words(
        "Forget an interface's definition.",
        "Interface {} undefined",
        "Failed to undefine interface {}",
    ),
)
printer(
    "iface-dumpxml",
    finding.interface,
    lambda interface, arguments: interface.xml_desc(
        arguments.flag("inactive", e.InterfaceXMLFlags.INACTIVE)
    ),
    "Print an interface's document.",
)
editor(
    "iface-edit",
    finding.interface,
    Editor(
        "Interface {}",
        e.InterfaceXMLFlags.INACTIVE,
        lambda connection, text, validate: connection.interfaces.define_xml(text),
    ),
    "Change an interface's document in an editor.",
)


@command("iface-name")
async def name_of(session: Session, arguments: Arguments) -> None:
    """Print the name of the interface with a MAC address."""
    called = arguments.text("interface")
    interface, _ = await finding.interface_called(session, called, by_name=False)
    session.output.value("name", interface.name)


@command("iface-mac")
async def mac_of(session: Session, arguments: Arguments) -> None:
    """Print the MAC address of the interface with a name."""
    called = arguments.text("interface")
    interface, _ = await finding.interface_called(session, called, by_mac=False)
    session.output.value("mac", interface.mac)


@command("iface-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the host's interfaces, those that are up unless told otherwise."""
    arguments.exclusive("all", "inactive")
    chosen = e.ConnectListAllInterfacesFlags
    flags = chosen.INACTIVE if "inactive" in arguments else chosen.ACTIVE
    if "all" in arguments:
        flags = chosen.ACTIVE | chosen.INACTIVE
    connection = await session.connection()
    with listing("Failed to list interfaces"):
        found = await connection.interfaces.list(flags)
    found.sort(key=lambda interface: interface.name)
    rows = [
        [interface.name, "active" if await interface.is_active() else "inactive", interface.mac]
        for interface in found
    ]
    session.output.table(["Name", "State", "MAC Address"], rows)


def _transaction(
    name: str, call: Callable[[HostInterfaces], Awaitable[None]], verb: str, help: str, done: str
) -> None:
    async def run(session: Session, arguments: Arguments) -> None:
        connection = await session.connection()
        with failing(f"Failed to {verb} network config change transaction"):
            await call(connection.interfaces)
        session.output.note(f"Network config change transaction {done}")

    run.__doc__ = help
    command(name)(run)


_transaction(
    "iface-begin",
    HostInterfaces.change_begin,
    "begin",
    "Begin changes to the host's interfaces that can be taken back.",
    "started",
)
_transaction(
    "iface-commit",
    HostInterfaces.change_commit,
    "commit",
    "Keep the changes to the host's interfaces.",
    "committed",
)
_transaction(
    "iface-rollback",
    HostInterfaces.change_rollback,
    "rollback",
    "Take the changes to the host's interfaces back.",
    "rolled back",
)
