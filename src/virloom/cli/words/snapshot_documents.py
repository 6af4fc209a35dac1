# SPDX-License-Identifier: Apache-2.0
"""Documents of snapshots, made of options."""

from __future__ import annotations

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.words.moments import disks_of, document_of, options_of, parts_of
from virloom.errors import InvalidArg
from virloom.xml.escape import escape

# Where a disk's new image may be, and the attribute that says so.
_SOURCES = {"file": "file", "block": "dev"}


def snapshot_document(arguments: Arguments) -> str:
    """The document that ``snapshot-create-as`` means.

    Raises:
        CommandFailed: ``--memspec`` or a ``--diskspec`` cannot be understood.
    """
    memory = arguments.get("memspec")
    lines = [] if memory is None else [_memory(memory)]
    return document_of("domainsnapshot", arguments, lines + disks_of(arguments, _disk))


def _memory(spec: str) -> str:
    parts = [f"file={part}" if part.startswith("/") else part for part in parts_of(spec)]
    options = options_of(parts, ("file", "snapshot"))
    if options is None:
        raise CommandFailed(f"unable to parse memspec: {spec}")
    head = "".join(
        f" {name}='{escape(options[name])}'" for name in ("snapshot", "file") if name in options
    )
    return f"  <memory{head}/>"


def _disk(spec: str) -> list[str]:
    name, *parts = parts_of(spec)
    message = f"unable to parse diskspec: {spec}"
    options = options_of(parts, ("snapshot", "driver", "stype", "file"))
    if options is None:
        raise CommandFailed(message)
    kind = options.get("stype", "file")
    if kind not in _SOURCES:
        raise CommandFailed(f"Unknown storage type: '{kind}'") from InvalidArg.worded(message)
    head = f"    <disk name='{escape(name)}'"
    for option, attribute in (("snapshot", "snapshot"), ("stype", "type")):
        if option in options:
            head += f" {attribute}='{options[option]}'"
    inner = _image(options, _SOURCES[kind])
    return [f"{head}>", *inner, "    </disk>"] if inner else [f"{head}/>"]


def _image(options: dict[str, str], attribute: str) -> list[str]:
    lines = []
    if "driver" in options:
        lines.append(f"      <driver type='{options['driver']}'/>")
    if "file" in options:
        lines.append(f"      <source {attribute}='{escape(options['file'])}'/>")
    return lines
