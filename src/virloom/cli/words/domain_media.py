# SPDX-License-Identifier: Apache-2.0
"""The medium of a CD-ROM or floppy drive."""

from __future__ import annotations

from virloom.cli.shell import lookup, nodes, trees
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words.domain_devices import find_disk
from virloom.enums.domain import DomainDeviceModifyFlags, DomainXMLFlags
from virloom.xml import Node

_DONE = {"eject": "ejected", "insert": "inserted", "update": "updated"}


@command("change-media")
async def change_media(session: Session, arguments: Arguments) -> None:
    """Put a medium into a drive, take it out, or change it."""
    action = _action(arguments)
    flags = arguments.impact() | arguments.flag("force", DomainDeviceModifyFlags.FORCE)
    domain = await lookup.domain(session, arguments)
    path, source = arguments.text("path"), arguments.get("source")
    inactive = DomainXMLFlags.INACTIVE if "config" in arguments else 0
    drives = trees.devices(await domain.xml_desc(inactive), "disk")
    drive = find_disk(
        [one for one in drives if one.attributes.get("device") in ("cdrom", "floppy")], path
    )
    if source is None and "eject" not in arguments and "update" not in arguments:
        raise CommandFailed("New disk media source was not specified")
    _change(drive, action, path, source, block="block" in arguments)
    if "print-xml" in arguments:
        session.output.raw(drive.dump())
        return
    with failing(f"Failed to complete action {action} on media"):
        await domain.devices.update(drive.dump(), flags)
    session.output.raw(f"Successfully {_DONE[action]} media.")


def _action(arguments: Arguments) -> str:
    arguments.exclusive("eject", "insert")
    arguments.exclusive("eject", "update")
    arguments.exclusive("insert", "update")
    arguments.exclusive("eject", "block")
    return next((name for name in _DONE if name in arguments), "update")


def _change(drive: Node, action: str, path: str, source: str | None, *, block: bool) -> None:
    old = nodes.first(drive, "source")
    medium = old is not None and bool({"file", "dev"} & set(old.attributes))
    if action == "eject" and not medium:
        raise CommandFailed(f"The disk device '{path}' doesn't have media")
    if action == "insert" and medium:
        raise CommandFailed(f"The disk device '{path}' already has media")
    if old is not None:
        drive.children.remove(old)
    drive.attributes["type"] = "block" if block else "file"
    if action == "eject" or source is None:
        return
    new = Node("source", {"dev" if block else "file": source})
    policy = old.attributes.get("startupPolicy") if old is not None else None
    if policy is not None:
        new.attributes["startupPolicy"] = policy
    target = nodes.first(drive, "target")
    at = drive.children.index(target) if target is not None else len(drive.children)
    drive.children[at:at] = [new, "\n      "]
