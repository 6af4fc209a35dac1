# SPDX-License-Identifier: Apache-2.0
"""What may follow the words typed so far: commands, options, and names of objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.fixed_words import fixed_words
from virloom.cli.shell.nodes import attribute, below, parsed
from virloom.cli.shell.options import Command, Option, find_command
from virloom.cli.shell.session import Session
from virloom.cli.shell.table import COMMANDS, GROUPS
from virloom.enums.domain import ConnectListAllDomainsFlags
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.connection import Connection
    from virloom.client.domain.domain import Domain

#: Gives the names that fit, with the values given before by their options.
Names = Callable[["Connection", dict[str, str]], Awaitable[Iterable[str]]]


async def candidates(session: Session, words: Sequence[str]) -> list[str]:
    """What may stand in the place of the last of *words*, which are those of one command."""
    *before, current = words or [""]
    if not before:
        return _starting(current, COMMANDS)
    command = find_command(before[0])
    if command is None:
        return []
    values, waiting = _given(command, before[1:])
    if waiting is None and current.startswith("-"):
        unused = [f"--{o.name}" for o in command.options if o.name not in values]
        return _starting(current, unused)
    option = waiting or _next_positional(command, values)
    if option is None:
        return []
    fixed = fixed_words(command.name, option.name, current)
    names = await _names(session, command, option, values) if fixed is None else fixed
    return _starting(current, names)


def _starting(start: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(start))


def _given(command: Command, words: Sequence[str]) -> tuple[dict[str, str], Option | None]:
    """The options of *words*, and that which still waits for its value."""
    values: dict[str, str] = {}
    waiting: Option | None = None
    for word in words:
        if waiting is not None:
            values[waiting.name], waiting = word, None
        elif word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            found = command.find(name)
            if found is None:
                continue
            if found[0].kind == "flag" or equals:
                values[found[0].name] = value
            else:
                waiting = found[0]
        else:
            option = _next_positional(command, values)
            if option is not None:
                values[option.name] = word
    return values, waiting


def _next_positional(command: Command, values: dict[str, str]) -> Option | None:
    for option in command.options:
        if option.positional and (option.repeatable or option.name not in values):
            return option
    return None


async def _names(
    session: Session, command: Command, option: Option, values: dict[str, str]
) -> Iterable[str]:
    if command.name == "help":
        return [*COMMANDS, *GROUPS]
    names = _names_for(command, option)
    if names is None:
        return []
    try:
        return await names(await session.connection(), values)
    except (VirloomError, CommandFailed):
        # Who is typing wants no error here; the command itself will tell.
        return []


def _names_for(command: Command, option: Option) -> Names | None:
    if option.name == "domain":
        return _domains(_WHICH_DOMAINS.get(command.name, 0))
    if command.group in _OF_GROUP and option.name in _OF_GROUP[command.group]:
        return _OF_GROUP[command.group][option.name]
    return _OF_OPTION.get(option.name)


_ACTIVE, _INACTIVE = ConnectListAllDomainsFlags.ACTIVE, ConnectListAllDomainsFlags.INACTIVE
_WHICH_DOMAINS = {
    "start": _INACTIVE,
    "domrename": _INACTIVE,
    **dict.fromkeys(
        (
            "destroy", "shutdown", "reboot", "reset", "suspend", "resume", "save", "managedsave",
            "dump", "console", "screenshot", "send-key", "domtime", "migrate", "vncdisplay",
            "domdisplay", "domifaddr", "qemu-monitor-command", "qemu-agent-command",
        ),
        _ACTIVE,
    ),
}  # fmt: skip


def _domains(flags: int) -> Names:
    async def names(connection: Connection, values: dict[str, str]) -> Iterable[str]:
        return [domain.name for domain in await connection.list_all_domains(flags)]

    return names


def _listed(area: str, attribute_name: str = "name") -> Names:
    """The objects of an area of the client."""

    async def names(connection: Connection, values: dict[str, str]) -> Iterable[str]:
        found: list[Any] = await getattr(connection, area).list()
        return [str(getattr(one, attribute_name)) for one in found]

    return names


async def _domain(connection: Connection, values: dict[str, str]) -> Domain:
    return await connection.lookup_by_name(values.get("domain", ""))


def _of_document(path: str, *places: tuple[str, str]) -> Names:
    """What stands in attributes of a domain's document."""

    async def names(connection: Connection, values: dict[str, str]) -> Iterable[str]:
        root = parsed(await (await _domain(connection, values)).xml_desc())
        found = [attribute(n, below_it, key) for n in below(root, path) for below_it, key in places]
        return [text for text in found if text is not None]

    return names


async def _volumes(connection: Connection, values: dict[str, str]) -> Iterable[str]:
    pool = await connection.storage_pools.lookup_by_name(values.get("pool", ""))
    return [volume.name for volume in await pool.list_volumes()]


async def _snapshots(connection: Connection, values: dict[str, str]) -> Iterable[str]:
    return [one.name for one in await (await _domain(connection, values)).snapshots.list()]


async def _checkpoints(connection: Connection, values: dict[str, str]) -> Iterable[str]:
    return [one.name for one in await (await _domain(connection, values)).checkpoints.list()]


_DISKS = _of_document("devices/disk", ("target", "dev"))
_OF_OPTION: dict[str, Names] = {
    "network": _listed("networks"),
    "pool": _listed("storage_pools"),
    "vol": _volumes,
    "nwfilter": _listed("nwfilters"),
    "binding": _listed("nwfilter_bindings", "port_dev"),
    "secret": _listed("secrets", "uuid"),
    "snapshotname": _snapshots,
    "checkpointname": _checkpoints,
    "path": _DISKS,
    "device": _DISKS,
    "target": _DISKS,
    "interface": _of_document("devices/interface", ("target", "dev"), ("mac", "address")),
    "alias": _of_document("devices/disk", ("alias", "name")),
    "devname": _of_document("devices/serial", ("alias", "name")),
}
_OF_GROUP: dict[str, dict[str, Names]] = {
    "interface": {"interface": _listed("interfaces"), "bridge": _listed("interfaces")},
    "nodedev": {"device": _listed("node_devices")},
}
