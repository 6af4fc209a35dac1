# SPDX-License-Identifier: Apache-2.0
"""The I/O threads of a domain."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.cpus import chosen, ranges
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.remarks import remark
from virloom.cli.shell.session import Session
from virloom.enums.params import TypedParameterType as Type
from virloom.procedures.record import TypedParamValue


@command("iothreadinfo")
async def iothreadinfo(session: Session, arguments: Arguments) -> None:
    """List the I/O threads, and where they may run."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    with failing("Unable to get domain IOThreads information"):
        threads = await domain.cpu.io_threads(flags)
    if not threads:
        remark(session, "No IOThreads found for the domain")
        return
    rows = [[str(one.id), ranges(one.affinity)] for one in threads]
    session.output.table(["IOThread ID", "CPU Affinity"], rows)


@command("iothreadpin")
async def iothreadpin(session: Session, arguments: Arguments) -> None:
    """Set on which of the host's processors an I/O thread may run."""
    flags = arguments.impact()
    cpulist = arguments.text("cpulist")
    domain = await lookup.domain(session, arguments)
    number = arguments.uint("iothread")
    cpus = await chosen(await session.connection(), cpulist)
    await domain.cpu.pin_io_thread(number or 0, cpus, flags)


@command("iothreadadd")
async def iothreadadd(session: Session, arguments: Arguments) -> None:
    """Add an I/O thread."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    await domain.cpu.add_io_thread(_number(arguments), flags)


@command("iothreaddel")
async def iothreaddel(session: Session, arguments: Arguments) -> None:
    """Take an I/O thread away."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    await domain.cpu.del_io_thread(_number(arguments), flags)


@command("iothreadset")
async def iothreadset(session: Session, arguments: Arguments) -> None:
    """Set how an I/O thread waits for work."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    number = _number(arguments)
    given = {
        "poll_max_ns": (Type.ULLONG, arguments.ulonglong("poll-max-ns")),
        "poll_grow": (Type.UINT, arguments.uint("poll-grow")),
        "poll_shrink": (Type.UINT, arguments.uint("poll-shrink")),
        "thread_pool_min": (Type.INT, arguments.integer("thread-pool-min")),
        "thread_pool_max": (Type.INT, arguments.integer("thread-pool-max")),
    }
    values = {
        name: TypedParamValue(kind, value)
        for name, (kind, value) in given.items()
        if value is not None
    }
    if not values:
        raise CommandFailed("Not enough arguments passed, nothing to set")
    await domain.cpu.set_io_thread_parameters(number, values, flags)


def _number(arguments: Arguments) -> int:
    number = arguments.integer("id") or 0
    if number <= 0:
        raise CommandFailed(f"Invalid IOThread id value: '{number}'")
    return number
