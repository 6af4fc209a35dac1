# SPDX-License-Identifier: Apache-2.0
"""Disks and network interfaces by options instead of a document."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from virloom.cli.shell import bandwidth, lookup
from virloom.cli.shell.addresses import disk_address, host_pci_address
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.impact import check_persistent, device_impact
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.errors import InternalError
from virloom.xml import Node


@command("attach-disk")
async def attach_disk(session: Session, arguments: Arguments) -> None:
    """Attach a disk."""
    check_persistent(arguments)
    _check_source(arguments)
    await _attach(session, arguments, _disk(arguments), "disk")


@command("attach-interface")
async def attach_interface(session: Session, arguments: Arguments) -> None:
    """Attach a network interface."""
    check_persistent(arguments)
    await _attach(session, arguments, _interface(arguments), "interface")


async def _attach(session: Session, arguments: Arguments, node: Node, what: str) -> None:
    lines: list[str] = []
    node.write(lines, "")
    document = "".join(lines)
    if "print-xml" in arguments:
        session.output.document(document.removesuffix("\n"))
        return
    domain = await lookup.domain(session, arguments)
    flags = await device_impact(domain, arguments)
    with failing(f"Failed to attach {what}"):
        await domain.devices.attach(document, flags)
    session.output.note(f"{what.capitalize()} attached successfully")


# Disks

_ATTRIBUTES = {"file": "file", "block": "dev", "network": "name"}
_WWN = re.compile(r"(0x)?[0-9a-fA-F]{16}")


def _check_source(arguments: Arguments) -> None:
    for option in ("source-host-name", "source-host-transport", "source-host-socket"):
        arguments.requires(option, "source-protocol")
    arguments.exclusive("source-host-name", "source-host-socket")
    arguments.requires("source-host-socket", "source-host-transport")


def _disk(arguments: Arguments) -> Node:
    source, target = arguments.text("source", empty=True), arguments.text("target")
    disk = Node("disk", {"type": _source_type(arguments, source)})
    _set(disk, "device", arguments.get("type"))
    mode = arguments.get("mode")
    if mode not in (None, "readonly", "shareable"):
        raise CommandFailed(f"No support for {mode} in command 'attach-disk'")
    if "rawio" in arguments:
        disk.attributes["rawio"] = "yes"
    disk.children += [*_driver(arguments), _source(arguments, disk.attributes["type"], source)]
    disk.children.append(_set(Node("target", {"dev": target}), "bus", arguments.get("targetbus")))
    if mode is not None:
        disk.children.append(Node(mode))
    disk.children += _identity(arguments)
    address = arguments.get("address")
    if address is not None:
        multifunction = "multifunction" in arguments
        disk.children.append(disk_address(address, target, multifunction=multifunction))
    return disk


def _set(node: Node, name: str, value: str | None) -> Node:
    if value is not None:
        node.attributes[name] = value
    return node


def _source_type(arguments: Arguments, source: str) -> str:
    kind, protocol = arguments.get("sourcetype"), arguments.get("source-protocol")
    if kind is None:
        kind = "network" if protocol is not None else "block" if _is_block(source) else "file"
    elif kind not in _ATTRIBUTES:
        raise CommandFailed(f"Unknown source type: '{kind}'")
    if (kind == "network") != (protocol is not None):
        raise CommandFailed("--source-protocol option requires --sourcetype network")
    return kind


def _is_block(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _driver(arguments: Arguments) -> list[Node]:
    driver = Node("driver")
    for name, option in _DRIVER.items():
        _set(driver, name, arguments.get(option))
    return [driver] if driver.attributes else []


_DRIVER = {
    "name": "driver",
    "type": "subdriver",
    "iothread": "iothread",
    "cache": "cache",
    "io": "io",
}


def _source(arguments: Arguments, kind: str, name: str) -> Node:
    source = Node("source")
    _set(source, "protocol", arguments.get("source-protocol"))
    source.attributes[_ATTRIBUTES[kind]] = name
    host = Node("host")
    _set(host, "transport", arguments.get("source-host-transport"))
    _set(host, "socket", arguments.get("source-host-socket"))
    address = arguments.get("source-host-name")
    if address is not None:
        name, colon, port = address.partition(":")
        host.attributes["name"] = name
        _set(host, "port", port if colon else None)
    if host.attributes:
        source.children.append(host)
    return source


def _identity(arguments: Arguments) -> list[Node]:
    found: list[Node] = []
    serial, alias, wwn = (arguments.get(name) for name in ("serial", "alias", "wwn"))
    if serial is not None:
        found.append(Node("serial", children=[serial]))
    if alias is not None:
        found.append(Node("alias", {"name": alias}))
    if wwn is not None:
        if _WWN.fullmatch(wwn) is None:
            raise CommandFailed(InternalError(f"Malformed wwn: {wwn}").message)
        found.append(Node("wwn", children=[wwn]))
    return found


# Network interfaces

_INTERFACE_SOURCES = {"network": "network", "bridge": "bridge", "direct": "dev"}


def _interface(arguments: Arguments) -> Node:
    kind, source = arguments.text("type"), arguments.text("source")
    interface = Node("interface", {"type": kind})
    if kind not in (*_INTERFACE_SOURCES, "hostdev", "vhostuser"):
        raise CommandFailed(f"No support for {kind} in command 'attach-interface'")
    mode = arguments.get("source-mode")
    if mode not in (None, "server", "client"):
        raise CommandFailed(f"Invalid source mode: {mode}")
    rates = {
        "inbound": bandwidth.inbound(arguments),
        "outbound": bandwidth.outbound(arguments),
    }
    if "managed" in arguments:
        interface.attributes["managed"] = "yes"
    interface.children.append(_interface_source(kind, source, mode))
    for option, (tag, attribute) in _INTERFACE_PARTS.items():
        value = arguments.get(option)
        if value is not None:
            interface.children.append(Node(tag, {attribute: value}))
    limits = [_limit(tag, rate) for tag, rate in rates.items() if rate is not None]
    if limits:
        interface.children.append(Node("bandwidth", children=[*limits]))
    return interface


_INTERFACE_PARTS = {
    "target": ("target", "dev"),
    "mac": ("mac", "address"),
    "script": ("script", "path"),
    "model": ("model", "type"),
    "alias": ("alias", "name"),
}


def _interface_source(kind: str, name: str, mode: str | None) -> Node:
    if kind == "hostdev":
        return Node("source", children=[host_pci_address(name)])
    if kind == "vhostuser":
        if mode is None:
            raise CommandFailed("source-mode is mandatory")
        return Node("source", {"type": "unix", "path": name, "mode": mode})
    return Node("source", {_INTERFACE_SOURCES[kind]: name})


def _limit(tag: str, rate: bandwidth.Rate) -> Node:
    given = {name: str(value) for name, value in rate._asdict().items() if value}
    return Node(tag, given)
