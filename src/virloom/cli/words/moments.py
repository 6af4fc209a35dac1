# SPDX-License-Identifier: Apache-2.0
"""What snapshots and checkpoints have in common: lists, trees, and documents made of options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, Self, TypeVar

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.editing import Edited, edit
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.session import Session
from virloom.cli.shell.tree import draw
from virloom.errors import VirloomError
from virloom.xml import parse_node
from virloom.xml.escape import escape
from virloom.xml.node import Node


class Moment(Protocol):
    """A snapshot or a checkpoint."""

    @property
    def name(self) -> str:
        """Its name."""

    async def xml_desc(self, flags: int = 0) -> str:
        """Its document."""

    async def parent(self) -> Self:
        """The one before it."""

    async def children(self, flags: int = 0) -> Sequence[Self]:
        """Those after it."""


M = TypeVar("M", bound=Moment)


class Facts(NamedTuple):
    """What a list says of one."""

    created: str
    state: str
    parent: str | None
    is_external: bool
    """Whether any of it is in a file of its own."""


def facts_of(document: str) -> Facts:
    """What its document says of one."""
    root = parse_node(document)
    state = _text(root, "state") or ""
    parent = next((_text(one, "name") for one in root.elements() if one.tag == "parent"), None)
    return Facts(_time(_text(root, "creationTime")), state, parent, _is_external(root, state))


def name_in(document: str) -> str | None:
    """The name that a document gives."""
    return _text(parse_node(document), "name")


def _text(node: Node, tag: str) -> str | None:
    return next((child.text for child in node.elements() if child.tag == tag), None)


def _time(seconds: str | None) -> str:
    """Seconds since 1970 as the time of day here."""
    if seconds is None:
        return ""
    return f"{datetime.fromtimestamp(int(seconds)).astimezone():%Y-%m-%d %H:%M:%S %z}"


def _is_external(root: Node, state: str) -> bool:
    parts = [one for one in root.elements() if one.tag == "memory"]
    parts += [disk for one in root.elements() if one.tag == "disks" for disk in one.elements()]
    externals = [part for part in parts if part.attributes.get("snapshot") == "external"]
    return state == "disk-snapshot" or bool(externals)


class Lister(NamedTuple):
    """How a command lists moments: what it is told by its options."""

    filters: Mapping[str, int]
    """Options that choose, with libvirt's flags."""
    roots: int
    """The flag for those without a parent; of children the same one asks for theirs too."""
    topological: int
    columns: Mapping[str, Callable[[Facts], str]]
    """Titles, and what is under them."""


def check_list_options(arguments: Arguments, filters: Mapping[str, int]) -> None:
    """Raises CommandFailed when options of a list contradict each other."""
    for one, other in (
        ("tree", "name"),
        ("parent", "roots"),
        ("parent", "tree"),
        ("roots", "tree"),
        ("roots", "from"),
        ("roots", "current"),
    ):
        arguments.exclusive(one, other)
    for option in filters:
        if option in arguments and "tree" in arguments:
            raise CommandFailed(f"--{option} and --tree are mutually exclusive")


async def moments_from(start: M, arguments: Arguments, lister: Lister) -> list[M]:
    """What ``--from`` chooses: the children of *start*, or with ``--descendants`` all below it."""
    flags = _flags(arguments, lister)
    return list(await start.children(flags | arguments.flag("descendants", lister.roots)))


def _flags(arguments: Arguments, lister: Lister) -> int:
    flags = arguments.flags(lister.filters)
    return flags | arguments.flag("topological", lister.topological)


def list_flags(arguments: Arguments, lister: Lister) -> int:
    """What is asked for without ``--from``."""
    return _flags(arguments, lister) | arguments.flag("roots", lister.roots)


async def print_list(
    session: Session, arguments: Arguments, lister: Lister, found: list[M], start: M | None
) -> None:
    """Prints those that were found, as a table, their names, or with ``--tree`` a tree."""
    if "topological" not in arguments:
        found.sort(key=lambda one: one.name.lower())
    if "tree" in arguments:
        await _print_tree(session, found, start)
    elif "name" in arguments:
        session.output.column("name", [one.name for one in found])
    else:
        rows = [await _row(one, arguments, lister) for one in found]
        titles = ["Name", *lister.columns] + ["Parent"] * ("parent" in arguments)
        session.output.table(titles, rows)


async def _print_tree(session: Session, found: list[M], start: M | None) -> None:
    parents: dict[str, str | None] = {} if start is None else {start.name: None}
    for one in found:
        parents[one.name] = facts_of(await one.xml_desc()).parent
    if parents:
        session.output.text(draw(parents))


async def _row(one: Moment, arguments: Arguments, lister: Lister) -> list[str]:
    facts = facts_of(await one.xml_desc())
    row = [one.name, *(column(facts) for column in lister.columns.values())]
    return [*row, facts.parent or ""] if "parent" in arguments else row


async def counts_of(one: Moment, descendants: int) -> list[tuple[str, object]]:
    """How many there are after one; *descendants* is the flag that asks for all of them."""
    return [
        ("Children:", len(await one.children())),
        ("Descendants:", len(await one.children(descendants))),
    ]


async def print_parent(
    session: Session, one: Moment, kind: str, missing: type[VirloomError]
) -> None:
    """Prints the name of the one before it.

    Raises:
        CommandFailed: There is none.
    """
    try:
        parent = await one.parent()
    except missing:
        raise CommandFailed(f"{kind} '{one.name}' has no parent") from None
    session.output.value("name", parent.name, end="")


async def edit_moment(session: Session, what: Edited) -> None:
    """Lets the user change a document; what goes wrong is said before what it was about.

    Raises:
        CommandFailed: It did go wrong.
    """
    try:
        await edit(session, what)
    except (CommandFailed, VirloomError) as failure:
        message = failure.message if isinstance(failure, VirloomError) else str(failure)
        if message:
            session.complain(message)
        raise CommandFailed(f"Failed to update {what.name}") from None


def parts_of(text: str) -> list[str]:
    """The parts of a text between commas; two commas are one of the text's own."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def options_of(parts: Sequence[str], known: Sequence[str]) -> dict[str, str] | None:
    """Parts ``name=value`` by their names; None where one is not known, or there twice."""
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or name not in known or name in found:
            return None
        found[name] = value
    return found


def document_of(tag: str, arguments: Arguments, inner: Sequence[str]) -> str:
    """The document that ``--name``, ``--description`` and the lines of *inner* make."""
    lines = [f"<{tag}>"]
    for option in ("name", "description"):
        text = arguments.get(option)
        if text is not None:
            lines.append(f"  <{option}>{escape(text)}</{option}>")
    return "\n".join([*lines, *inner, f"</{tag}>\n"])


def disks_of(arguments: Arguments, disk_of: Callable[[str], list[str]]) -> list[str]:
    """The lines of ``<disks>`` that ``--diskspec`` asks for; none without."""
    disks = [line for spec in arguments.words("diskspec") for line in disk_of(spec)]
    return ["  <disks>", *disks, "  </disks>"] if disks else []
