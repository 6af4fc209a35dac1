# SPDX-License-Identifier: Apache-2.0
"""Virtual networks: made, started, changed, listed."""

from __future__ import annotations

import contextlib

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.deeds import Editor, Words, deed, editor, maker, printer
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.listing import autostart_of, listing, name_or_uuid, yes
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.network.network import Network
from virloom.enums import network as e
from virloom.errors import VirloomError

maker(
    "net-create",
    lambda connection, text, flags: connection.networks.create_xml(text, flags),
    lambda network: network.name,
    Words(
        "Start a network by a document in a file, without defining it.",
        "Network {0} created from {1}",
        "Failed to create network from {}",
    ),
)
maker(
    "net-define",
    lambda connection, text, flags: connection.networks.define_xml(text, flags),
    lambda network: network.name,
    Words(
        "Define a network by a document in a file, without starting it.",
        "Network {0} defined from {1}",
        "Failed to define network from {}",
    ),
)
deed(
    "net-start",
    finding.network,
    lambda network, arguments: network.create(),
    Words("Start a defined network.", "Network {} started", "Failed to start network {}"),
)
deed(
    "net-destroy",
    finding.network,
    lambda network, arguments: network.destroy(),
    Words("Stop a network.", "Network {} destroyed", "Failed to destroy network {}"),
)
deed(
    "net-undefine",
    finding.network,
    lambda network, arguments: network.undefine(),
    Words(
        "Forget a network's definition.",
        "Network {} has been undefined",
        "Failed to undefine network {}",
    ),
)
printer(
    "net-dumpxml",
    finding.network,
    lambda network, arguments: network.xml_desc(
        arguments.flag("inactive", e.NetworkXMLFlags.INACTIVE)
    ),
    "Print a network's document.",
)
editor(
    "net-edit",
    finding.network,
    Editor(
        "Network {}",
        e.NetworkXMLFlags.INACTIVE,
        lambda connection, text, validate: connection.networks.define_xml(text),
        falls_back=True,
    ),
    "Change a network's document in an editor.",
)


@command("net-autostart")
async def autostart(session: Session, arguments: Arguments) -> None:
    """Start a network with the host, or no longer."""
    network, name = await finding.network(session, arguments)
    on = "disable" not in arguments
    action = "mark" if on else "unmark"
    with failing(f"failed to {action} network {name} as autostarted"):
        await network.set_autostart(on)
    session.output.note(f"Network {name} {action}ed as autostarted")


@command("net-name")
async def name_of(session: Session, arguments: Arguments) -> None:
    """Print the name of the network with a UUID."""
    network, _ = await finding.network_called(session, arguments.text("network"), by_name=False)
    session.output.value("name", network.name)


@command("net-uuid")
async def uuid_of(session: Session, arguments: Arguments) -> None:
    """Print the UUID of the network with a name."""
    network, _ = await finding.network_called(session, arguments.text("network"), by_uuid=False)
    session.output.value("uuid", network.uuid)


@command("net-info")
async def info(session: Session, arguments: Arguments) -> None:
    """Print what there is to know of a network."""
    network, _ = await finding.network(session, arguments)
    pairs: list[tuple[str, object]] = [("Name:", network.name), ("UUID:", network.uuid)]
    pairs.append(("Active:", yes(await network.is_active())))
    pairs.append(("Persistent:", yes(await network.is_persistent())))
    pairs.append(("Autostart:", await autostart_of(network)))
    # There is none for a network that only forwards to the host's devices.
    with contextlib.suppress(VirloomError):
        pairs.append(("Bridge:", await network.bridge_name()))
    session.output.fields(pairs)


@command("net-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List networks, those that run unless told otherwise."""
    shown = name_or_uuid(arguments)
    flags = arguments.flags(
        {
            "inactive": e.ConnectListAllNetworksFlags.INACTIVE,
            "persistent": e.ConnectListAllNetworksFlags.PERSISTENT,
            "transient": e.ConnectListAllNetworksFlags.TRANSIENT,
            "autostart": e.ConnectListAllNetworksFlags.AUTOSTART,
            "no-autostart": e.ConnectListAllNetworksFlags.NO_AUTOSTART,
        }
    )
    if "all" in arguments:
        flags |= e.ConnectListAllNetworksFlags.ACTIVE | e.ConnectListAllNetworksFlags.INACTIVE
    elif "inactive" not in arguments:
        flags |= e.ConnectListAllNetworksFlags.ACTIVE
    connection = await session.connection()
    with listing("Failed to list networks"):
        found = await connection.networks.list(flags)
    found.sort(key=lambda network: network.name)
    if shown:
        session.output.column(shown, [getattr(network, shown) for network in found])
        return
    rows = [await _row(network) for network in found]
    session.output.table(["Name", "State", "Autostart", "Persistent"], rows)


async def _row(network: Network) -> list[str]:
    autostart = await autostart_of(network)
    state = "active" if await network.is_active() else "inactive"
    return [network.name, state, autostart, yes(await network.is_persistent())]


#: What ``net-update`` takes as its command, and as its section.
COMMANDS = {
    "modify": e.NetworkUpdateCommand.MODIFY,
    "delete": e.NetworkUpdateCommand.DELETE,
    "add-last": e.NetworkUpdateCommand.ADD_LAST,
    "add-first": e.NetworkUpdateCommand.ADD_FIRST,
    "add": e.NetworkUpdateCommand.ADD_LAST,
}
SECTIONS = {
    section.name.lower().replace("_", "-"): section for section in e.NetworkUpdateSection if section
}


@command("net-update")
async def update(session: Session, arguments: Arguments) -> None:
    """Add, change or delete an element of a network's document."""
    impact = arguments.impact()
    network, _ = await finding.network(session, arguments)
    how = COMMANDS.get(arguments.text("command"))
    if how is None:
        raise CommandFailed(f"unrecognized command name '{arguments.text('command')}'")
    section = SECTIONS.get(arguments.text("section"))
    if section is None:
        raise CommandFailed(f"unrecognized section name '{arguments.text('section')}'")
    element = arguments.text("xml")
    if not element.startswith("<"):
        # Then it is the name of a file that has it.
        element = read_document(element)
    index = arguments.integer("parent-index")
    with failing(f"Failed to update network {network.name}"):
        await network.update(
            how, section, element, parent_index=-1 if index is None else index, flags=impact
        )
    where = await _where(network, impact)
    if not session.quiet:
        session.output.raw(f"Updated network {network.name} {where}")


async def _where(network: Network, impact: int) -> str:
    if impact == e.NetworkUpdateFlags.CURRENT:
        impact = await network.is_active() or e.NetworkUpdateFlags.CONFIG
    return {1: "live state", 2: "persistent config"}.get(impact, "persistent config and live state")
