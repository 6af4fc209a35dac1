# SPDX-License-Identifier: Apache-2.0
"""The host's memory and processor time: free, used, tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import below, parsed
from virloom.cli.shell.output import PlainOutput
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.params import ParamValue
from virloom.enums.host import NodeAllocPagesFlags
from virloom.errors import VirloomError
from virloom.procedures.record import TypedParamValue

if TYPE_CHECKING:
    from virloom.client.connection import Connection
    from virloom.xml import Node

_ALL_CELLS = -1


@command("freecell")
async def freecell(session: Session, arguments: Arguments) -> None:
    """Print free memory, of all NUMA cells or one."""
    arguments.exclusive("all", "cellno")
    cell = arguments.integer("cellno")
    connection = await session.connection()
    if "all" in arguments:
        await _free_by_cell(session, connection)
    elif cell is not None:
        found = await connection.node_cells_free_memory(cell, 1)
        session.output.fields([(f"{cell}:", f"{found[0] // 1024} KiB")], "{} {}")
    else:
        free = await connection.node_free_memory()
        session.output.fields([("Total:", f"{free // 1024} KiB")], "{} {}")


async def _free_by_cell(session: Session, connection: Connection) -> None:
    free = {}
    for cell in await _cells(connection):
        free[cell] = (await connection.node_cells_free_memory(cell, 1))[0] // 1024
    session.output.fields([(f"{cell}:", f"{kib:10} KiB") for cell, kib in free.items()], "{:>6} {}")
    if isinstance(session.output, PlainOutput):
        session.output.note("-" * 20)
    session.output.fields([("Total:", f"{sum(free.values()):10} KiB")], "{:>5} {}")


async def _cells(connection: Connection) -> list[int]:
    with failing("unable to get node capabilities"):
        root = parsed(await connection.capabilities())
    cells = [int(cell.attributes["id"]) for cell in below(root, "host/topology/cells/cell")]
    if not cells:
        raise CommandFailed("could not get information about NUMA topology")
    return cells


@command("freepages")
async def freepages(session: Session, arguments: Arguments) -> None:
    """Print free pages by their size, of all NUMA cells or one."""
    arguments.exclusive("all", "cellno")
    connection = await session.connection()
    if "all" in arguments:
        await _all_free_pages(session, arguments, connection)
        return
    cell = arguments.integer("cellno")
    if cell is None:
        raise CommandFailed("missing cellno argument")
    if not cell >= -1:
        raise CommandFailed("cell number has to be greater than or equal to -1")
    size = arguments.scaled("pagesize", 1024)
    if size is None:
        raise CommandFailed("missing pagesize argument")
    found = await _free_pages(connection, [size // 1024], cell)
    session.output.fields([(f"{kib}KiB:", count) for kib, count in found.items()], "{} {}")


async def _free_pages(connection: Connection, sizes: list[int], cell: int) -> dict[int, int]:
    """Free pages of a cell by their size in KiB; 0 where a driver tells nothing, as the test's."""
    found = await connection.node_free_pages(sizes, cell)
    return found[0] if found else dict.fromkeys(sizes, 0)


async def _all_free_pages(session: Session, arguments: Arguments, connection: Connection) -> None:
    size = arguments.scaled("pagesize", 1024)
    with failing("unable to get node capabilities"):
        root = parsed(await connection.capabilities())
    sizes = [size // 1024] if size is not None else _page_sizes(root)
    for cell in await _cells(connection):
        found = await _free_pages(connection, sizes, cell)
        counts = {f"{kib}KiB": str(count) for kib, count in found.items()}
        if isinstance(session.output, PlainOutput):
            session.output.text(f"Node {cell}:")
            session.output.fields(counts.items(), "{}: {}")
            session.output.text("")
        else:
            session.output.table(["node", *counts], [[str(cell), *counts.values()]])


def _page_sizes(root: Node) -> list[int]:
    found = {int(pages.attributes["size"]) for pages in below(root, "host/cpu/pages")}
    if not found:
        cells = below(root, "host/topology/cells/cell/pages")
        found = {int(pages.attributes["size"]) for pages in cells}
    return sorted(found)


@command("allocpages")
async def allocpages(session: Session, arguments: Arguments) -> None:
    """Set pages of a size aside, on all NUMA cells or one."""
    arguments.exclusive("all", "cellno")
    cell = arguments.integer("cellno")
    if cell is not None and cell < -1:
        raise CommandFailed("cell number has to be greater than or equal to -1")
    size = arguments.scaled("pagesize", 1024)
    count = arguments.ulonglong("pagecount")
    assert size is not None
    assert count is not None
    flags = arguments.flag("add", NodeAllocPagesFlags.ADD)
    connection = await session.connection()
    cells = len(await _cells(connection)) if "all" in arguments else 1
    start = 0 if "all" in arguments else (_ALL_CELLS if cell is None else cell)
    await connection.node_alloc_pages({size // 1024: count}, start, cells, flags)


@command("nodememstats")
async def nodememstats(session: Session, arguments: Arguments) -> None:
    """Print the host's memory by use, of all NUMA cells or one."""
    cell = arguments.integer("cell")
    connection = await session.connection()
    with failing("Unable to get number of memory stats"):
        stats = await connection.node_memory_stats(_ALL_CELLS if cell is None else cell)
    pairs = [(f"{name:<7}:", f"{value:20} KiB") for name, value in stats.items()]
    session.output.fields(pairs, "{} {}")


# The driver's names and those printed.
_KINDS = {"user": "user", "kernel": "system", "idle": "idle", "iowait": "iowait"}


@command("nodecpustats")
async def nodecpustats(session: Session, arguments: Arguments) -> None:
    """Print the host's processor time, or how much of it is used now."""
    cpu = arguments.integer("cpu")
    connection = await session.connection()
    number = -1 if cpu is None else cpu
    first = await _cpu_stats(connection, number)
    if "percent" not in arguments:
        for kind, name in {**_KINDS, "intr": "intr"}.items():
            if kind in first:
                session.output.fields([(f"{name}:", f"{first[kind]:20}")], "{:<15} {}")
        return
    if "utilization" in first:
        session.output.fields([("usage:", f"{first['utilization']:5.1f}%")], "{:<15} {}")
        return
    await _second()
    _print_percent(session, first, await _cpu_stats(connection, number))


async def _cpu_stats(connection: Connection, cpu: int) -> dict[str, int]:
    try:
        return await connection.node_cpu_stats(cpu)
    except VirloomError as error:
        # libvirt asks for their number first, and refuses only a number of its own there.
        what = "number of cpu stats" if cpu < -1 else "node cpu stats"
        raise CommandFailed(f"Unable to get {what}") from error


async def _second() -> None:
    import asyncio

    # The share of a time is measured over a second, as virsh does.
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=1)


def _print_percent(session: Session, first: dict[str, int], then: dict[str, int]) -> None:
    spent = {kind: then.get(kind, 0) - first.get(kind, 0) for kind in _KINDS}
    total = sum(spent.values())
    shares = {kind: 100 * time / total if total else float("-nan") for kind, time in spent.items()}
    used = shares["user"] + shares["kernel"]
    pairs = [("usage:", used), *((f"{name}:", shares[kind]) for kind, name in _KINDS.items())]
    shown = [(name, f"{share:5.1f}%" if total else " -nan%") for name, share in pairs]
    session.output.fields(shown, "{:<15} {}")


_TUNED = {
    "shm-pages-to-scan": "shm_pages_to_scan",
    "shm-sleep-millisecs": "shm_sleep_millisecs",
    "shm-merge-across-nodes": "shm_merge_across_nodes",
}
_UINT = 2


@command("node-memory-tune")
async def node_memory_tune(session: Session, arguments: Arguments) -> None:
    """Print or change how the host shares equal pages of memory."""
    given: dict[str, ParamValue | TypedParamValue] = {}
    for option, name in _TUNED.items():
        number = arguments.uint(option)
        if number is not None:
            given[name] = TypedParamValue(_UINT, number)
    connection = await session.connection()
    if given:
        with failing("Unable to change memory parameters"):
            await connection.set_node_memory_parameters(given)
        return
    try:
        found = await connection.node_memory_parameters()
    except VirloomError as error:
        raise CommandFailed("Unable to get number of memory parameters") from error
    if found:
        if isinstance(session.output, PlainOutput):
            session.output.text("Shared memory:")
        session.output.fields([(name, value) for name, value in found.items()], "\t{:<15} {}")
