# SPDX-License-Identifier: Apache-2.0
"""Bridges made of the host's interfaces, and taken apart again."""

from __future__ import annotations

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.interface import HostInterface
from virloom.enums import interface as e
from virloom.errors import VirloomError
from virloom.xml import Node, parse_node

#: What goes with an interface onto a bridge and back; addresses and the like are the bridge's.
_OWN = ("mac", "bond", "vlan")


@command("iface-bridge")
async def bridge(session: Session, arguments: Arguments) -> None:
    """Put an interface on a bridge that is made for it, and that takes over its addresses."""
    name, bridge_name = arguments.text("interface"), arguments.text("bridge")
    interface, _ = await finding.interface_called(session, name, by_mac=False)
    missing = await _missing(session, bridge_name)
    try:
        delay = arguments.uint("delay") or 0
        document = await _document(interface)
        if document.attributes.get("type") == "bridge":
            raise CommandFailed(f"Existing device {name} is already a bridge")
    except CommandFailed as failure:
        # What virsh says last: that no such bridge was found, which is as it should be.
        raise failure from missing
    stp = {"stp": "off"} if "no-stp" in arguments else {"stp": "on", "delay": str(delay)}
    around = bridged(document, bridge_name, stp)
    connection = await session.connection()
    with failing(f"Failed to define new bridge interface {bridge_name}"):
        made = await connection.interfaces.define_xml(around.dump())
    session.output.note(f"Created bridge {bridge_name} with attached device {name}")
    if "no-start" not in arguments:
        with failing(f"Failed to start bridge interface {bridge_name}"):
            await made.create()
        session.output.note(f"Bridge interface {bridge_name} started")


async def _missing(session: Session, name: str) -> VirloomError:
    """The error of looking for an interface that must not be there."""
    connection = await session.connection()
    try:
        await connection.interfaces.lookup_by_name(name)
    except VirloomError as error:
        return error
    raise CommandFailed(f"Network device {name} already exists")


async def _document(interface: HostInterface) -> Node:
    return parse_node(await interface.xml_desc(e.InterfaceXMLFlags.INACTIVE))


def bridged(interface: Node, name: str, settings: dict[str, str]) -> Node:
    """A bridge with what the interface had, and the interface on it."""
    own = [node for node in interface.elements() if node.tag in _OWN]
    others = [node for node in interface.elements() if node.tag not in _OWN]
    attached = Node("interface", dict(interface.attributes), [*own])
    attributes = {**interface.attributes, "type": "bridge", "name": name}
    return Node("interface", attributes, [*others, Node("bridge", settings, [attached])])


@command("iface-unbridge")
async def unbridge(session: Session, arguments: Arguments) -> None:
    """Take the only interface off a bridge, give it the bridge's addresses, end the bridge."""
    name = arguments.text("bridge")
    interface, _ = await finding.interface_called(session, name, by_mac=False)
    document = await _document(interface)
    attached = attached_to(document, name)
    alone = freed(document, attached)
    connection = await session.connection()
    with failing(f"Failed to destroy bridge interface {name}"):
        await interface.destroy()
    with failing(f"Failed to undefine bridge interface {name}"):
        await interface.undefine()
    device = attached.attributes.get("name", "")
    with failing(f"Failed to define new interface {device}"):
        made = await connection.interfaces.define_xml(alone.dump())
    session.output.note(f"Device {device} un-attached from bridge {name}")
    if "no-start" not in arguments:
        with failing(f"Failed to start interface {device}"):
            await made.create()
        session.output.note(f"Interface {device} started")


def attached_to(document: Node, name: str) -> Node:
    """The one interface on a bridge."""
    bridge = next((node for node in document.elements() if node.tag == "bridge"), None)
    if document.attributes.get("type") != "bridge" or bridge is None:
        raise CommandFailed(f"Device {name} is not a bridge")
    attached = [node for node in bridge.elements() if node.tag == "interface"]
    if not attached:
        raise CommandFailed("No interface attached to bridge")
    if len(attached) > 1:
        raise CommandFailed("Multiple interfaces attached to bridge")
    return attached[0]


def freed(bridge: Node, attached: Node) -> Node:
    """The interface with what the bridge had."""
    others = [node for node in bridge.elements() if node.tag not in ("bridge", *_OWN)]
    own = [node for node in attached.elements() if node.tag in _OWN]
    return Node("interface", dict(attached.attributes), [*others, *own])
