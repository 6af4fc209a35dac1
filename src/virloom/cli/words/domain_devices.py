# SPDX-License-Identifier: Apache-2.0
"""Devices by their documents: attached, detached, updated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from virloom.cli.shell import lookup, nodes, trees
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.impact import CONFIG, LIVE, check_persistent, device_impact
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.domain.devices import Devices
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainDeviceModifyFlags, DomainXMLFlags
from virloom.xml import Node

Change = Callable[[Devices, str, int | None], Awaitable[None]]


async def _from_file(
    session: Session, arguments: Arguments, change: Change, verb: str, done: str
) -> None:
    check_persistent(arguments)
    domain = await lookup.domain(session, arguments)
    path = arguments.text("file")
    flags = await device_impact(domain, arguments)
    document = read_document(path)
    with failing(f"Failed to {verb} device from {path}"):
        await change(domain.devices, document, flags)
    session.output.note(f"Device {done} successfully")


@command("attach-device")
async def attach_device(session: Session, arguments: Arguments) -> None:
    """Attach the device that a document in a file describes."""
    await _from_file(session, arguments, Devices.attach, "attach", "attached")


@command("detach-device")
async def detach_device(session: Session, arguments: Arguments) -> None:
    """Detach the device that a document in a file describes."""
    await _from_file(session, arguments, Devices.detach, "detach", "detached")


@command("update-device")
async def update_device(session: Session, arguments: Arguments) -> None:
    """Change a device to what a document in a file says of it."""
    force = arguments.flag("force", DomainDeviceModifyFlags.FORCE)

    async def change(devices: Devices, document: str, flags: int | None) -> None:
        await devices.update(document, (flags or 0) | force)

    await _from_file(session, arguments, change, "update", "updated")


@command("detach-device-alias")
async def detach_device_alias(session: Session, arguments: Arguments) -> None:
    """Ask a guest to give up the device with this alias."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    alias = arguments.text("alias")
    with failing(f"Failed to detach device with alias {alias}"):
        await domain.devices.detach_alias(alias, flags)
    session.output.note("Device detach request sent successfully")


@command("detach-disk")
async def detach_disk(session: Session, arguments: Arguments) -> None:
    """Detach a disk, by its target or its source."""
    check_persistent(arguments)
    domain = await lookup.domain(session, arguments)
    target = arguments.text("target")
    config_only = "config" in arguments and "live" not in arguments
    inactive = DomainXMLFlags.INACTIVE if config_only or "persistent" in arguments else 0
    disk = find_disk(trees.devices(await domain.xml_desc(inactive), "disk"), target)
    if "print-xml" in arguments:
        session.output.raw(disk.dump())
        return
    flags = await device_impact(domain, arguments)
    with failing("Failed to detach disk"):
        await domain.devices.detach(disk.dump(), flags)
    session.output.note("Disk detached successfully")


def find_disk(disks: list[Node], name: str) -> Node:
    """The disk with this target or source, without the images below its own.

    Raises:
        CommandFailed: There is none.
    """
    if not disks:
        raise CommandFailed("Failed to get disk information")
    for disk in disks:
        if attribute_is(disk, "target", "dev", name) or any(
            attribute_is(disk, "source", source, name) for source in _SOURCES
        ):
            disk.children[:] = [
                one for one in disk.children if isinstance(one, str) or one.tag != "backingStore"
            ]
            return disk
    raise CommandFailed(f"No disk found whose source path or target is {name}")


_SOURCES = ("file", "dev", "dir", "name")


def attribute_is(node: Node, path: str, name: str, value: str) -> bool:
    """Whether the element at *path* has this value of an attribute."""
    return nodes.attribute(node, path, name) == value


@command("detach-interface")
async def detach_interface(session: Session, arguments: Arguments) -> None:
    """Detach a network interface, by its kind and its MAC address."""
    check_persistent(arguments)
    domain = await lookup.domain(session, arguments)
    flags = await device_impact(domain, arguments)
    # The definition and the guest are two documents, and two calls.
    impacts: tuple[int | None, ...] = (CONFIG, LIVE)
    wanted = [one for one in impacts if (one or 0) & (flags or 0)] or [flags]
    for impact in wanted:
        await _detach_interface(session, domain, arguments, impact)
    if "print-xml" not in arguments:
        session.output.note("Interface detached successfully")


async def _detach_interface(
    session: Session, domain: Domain, arguments: Arguments, impact: int | None
) -> None:
    kind, mac = arguments.text("type"), arguments.get("mac")
    inactive = DomainXMLFlags.INACTIVE if impact == CONFIG else 0
    interfaces = trees.devices(await domain.xml_desc(inactive), "interface")
    try:
        found = _find_interface(interfaces, kind, mac)
    except CommandFailed as failure:
        if "print-xml" in arguments:
            raise
        session.complain(str(failure))
        raise CommandFailed("Failed to detach interface") from None
    if "print-xml" in arguments:
        session.output.raw(found.dump())
        return
    with failing("Failed to detach interface"):
        await domain.devices.detach(found.dump(), impact)


def _find_interface(interfaces: list[Node], kind: str, mac: str | None) -> Node:
    interfaces = [one for one in interfaces if one.attributes.get("type") == kind]
    if not interfaces:
        raise CommandFailed(f"No interface found whose type is {kind}")
    if mac is None and len(interfaces) > 1:
        raise CommandFailed(
            f"Domain has {len(interfaces)} interfaces. "
            "Please specify which one to detach using --mac"
        )
    for interface in interfaces:
        if mac is None or _has_mac(interface, mac):
            return interface
    raise CommandFailed(f"No interface with MAC address {mac} was found")


@command("update-memory-device")
async def update_memory_device(session: Session, arguments: Arguments) -> None:
    """Change how much of a memory device the guest is asked to take."""
    arguments.exclusive("node", "alias")
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    document = await domain.xml_desc(DomainXMLFlags.INACTIVE if flags & CONFIG else 0)
    node = _memory_device(trees.devices(document, "memory"), arguments)
    size = arguments.scaled("requested-size", 1024)
    if size is not None and not _request(node, size // 1024):
        raise CommandFailed("virtio-mem device is missing <requested/>")
    if "print-xml" in arguments:
        session.output.raw(node.dump())
        return
    await domain.devices.update(node.dump(), flags)


def _memory_device(devices: list[Node], arguments: Arguments) -> Node:
    alias, cell = arguments.get("alias"), arguments.uint("node")
    if alias is not None:
        devices = [one for one in devices if attribute_is(one, "alias", "name", alias)]
    if cell is not None:
        devices = [one for one in devices if nodes.content(one, "target/node") == str(cell)]
    if not devices:
        raise CommandFailed("no memory device found")
    if len(devices) > 1:
        raise CommandFailed("multiple memory devices found, use --alias or --node to select one")
    return devices[0]


def _request(device: Node, kib: int) -> bool:
    requested = nodes.first(device, "target/requested")
    if requested is None:
        return False
    requested.attributes["unit"] = "KiB"
    requested.children[:] = [str(kib)]
    return True


@command("domif-setlink")
async def domif_setlink(session: Session, arguments: Arguments) -> None:
    """Plug in or pull out the cable of a network interface."""
    name, state = arguments.text("interface"), arguments.text("state")
    domain = await lookup.domain(session, arguments)
    if state not in ("up", "down"):
        raise CommandFailed(f"invalid link state '{state}'")
    config = "config" in arguments
    document = await domain.xml_desc(DomainXMLFlags.INACTIVE if config else 0)
    node = _interface_called(trees.devices(document, "interface"), name)
    link = nodes.first(node, "link")
    if link is None:
        link = Node("link")
        node.children.append(link)
    link.attributes["state"] = state
    if "print-xml" in arguments:
        session.output.raw(node.dump())
        return
    with failing("Failed to update interface link state"):
        await domain.devices.update(node.dump(), CONFIG if config else LIVE)
    session.output.note("Device updated successfully")


def _has_mac(interface: Node, address: str) -> bool:
    return (nodes.attribute(interface, "mac", "address") or "").lower() == address.lower()


def _interface_called(interfaces: list[Node], name: str) -> Node:
    if not interfaces:
        raise CommandFailed("Failed to extract interface information or no interfaces found")
    for node in interfaces:
        if _has_mac(node, name) or attribute_is(node, "target", "dev", name):
            return node
    raise CommandFailed(f"interface '{name}' not found")
