# SPDX-License-Identifier: Apache-2.0
"""Jobs of disks: their images copied, committed and pulled together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.blockwait import BlockWait, patience, seconds
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.progress import print_progress
from virloom.cli.shell.registry import command
from virloom.cli.shell.remarks import remark
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import NoSize, read_size
from virloom.client.domain.domain import Domain
from virloom.enums import domain as e
from virloom.enums.params import TypedParameterType as Type
from virloom.procedures.record import TypedParamValue
from virloom.xml import Node

Status = e.ConnectDomainEventBlockJobStatus
Start = Callable[[Domain], Awaitable[None]]

_MIB = 2**20
_WRAPPING = 2**64


def _bandwidth(arguments: Arguments) -> int:
    """Bytes per second with ``--bytes``, else MiB per second."""
    text = arguments.get("bandwidth", empty=True)
    if text is None:
        return 0
    in_bytes = "bytes" in arguments
    whole = text.lstrip()
    digits = whole.lstrip("+-")
    if digits.isdecimal() and len(whole) - len(digits) < 2 and int(digits) < _WRAPPING:
        return int(whole) % _WRAPPING
    message = f"Scaled numeric value '{text}' for <--bandwidth> option is malformed or out of range"
    try:
        with failing(message):
            size = read_size(text, 1 if in_bytes else _MIB)
    except NoSize:
        raise CommandFailed(message) from None
    return size if in_bytes else size // _MIB


def _check_waiting(arguments: Arguments, *ends: str) -> bool:
    """Whether to wait for the job, which some options need."""
    ways = ("timeout", "wait", *ends)
    waits = any(option in arguments for option in ways)
    seconds(arguments)
    for option in ("verbose", "async"):
        if option in arguments and not waits:
            raise CommandFailed(
                f"--{option} requires at least one of --timeout, --wait, --{ends[0]},"
                f" or --{ends[1]}"
            )
    return waits


async def _wait(
    session: Session,
    domain: Domain,
    arguments: Arguments,
    start: Start,
    words: Mapping[str, str],
) -> bool:
    """Starts a job and waits for it; returns whether it stands ready to be ended."""
    disk = arguments.text("path")
    connection = await session.connection()
    wait = patience(arguments)
    async with BlockWait(connection, domain, disk, words["label"], wait) as waiting:
        await start(domain)
        status = await waiting.ended()
    if status == Status.CANCELED:
        remark(session, f"\n{words['noun']} aborted")
        raise CommandFailed("")
    if status == Status.FAILED:
        remark(session, f"\n{words['noun']} failed")
        raise CommandFailed("")
    return status == Status.READY


async def _end(
    session: Session, domain: Domain, arguments: Arguments, option: str, words: str, done: str
) -> None:
    """Pivots to the new image, or stays with the old one."""
    disk = arguments.text("path")
    flags = arguments.flag("async", e.DomainBlockJobAbortFlags.ASYNC)
    if option == "pivot":
        flags |= e.DomainBlockJobAbortFlags.PIVOT
    with failing(f"failed to {words} job for disk {disk}"):
        await domain.block.job_abort(disk, flags)
    remark(session, f"\n{done}")


# Commit


@command("blockcommit")
async def blockcommit(session: Session, arguments: Arguments) -> None:
    """Write the changes of an image down into one below it."""
    arguments.exclusive("pivot", "keep-overlay")
    bandwidth = _bandwidth(arguments)
    waits = _check_waiting(arguments, "pivot", "keep-overlay")
    active = any(option in arguments for option in ("active", "pivot", "keep-overlay"))
    flags = arguments.flags(_COMMIT) | (e.DomainBlockCommitFlags.ACTIVE if active else 0)
    domain = await lookup.domain(session, arguments)
    base, top = arguments.get("base"), arguments.get("top")

    async def start(domain: Domain) -> None:
        await domain.block.commit(arguments.text("path"), base, top, bandwidth, flags)

    if not waits:
        await start(domain)
        remark(session, f"{'Active ' if active else ''}Block Commit started")
        return
    words = {"label": "Block commit", "noun": "Commit"}
    ready = await _wait(session, domain, arguments, start, words)
    if "pivot" in arguments:
        await _end(session, domain, arguments, "pivot", "pivot", "Successfully pivoted")
    elif "keep-overlay" in arguments:
        done = "Commit complete, overlay image kept"
        await _end(session, domain, arguments, "keep-overlay", "finish", done)
    else:
        remark(session, "\nNow in synchronized phase" if ready else "\nCommit complete")


_COMMIT = {
    "shallow": e.DomainBlockCommitFlags.SHALLOW,
    "delete": e.DomainBlockCommitFlags.DELETE,
    "keep-relative": e.DomainBlockCommitFlags.RELATIVE,
    "bytes": e.DomainBlockCommitFlags.BANDWIDTH_BYTES,
}


# Pull


@command("blockpull")
async def blockpull(session: Session, arguments: Arguments) -> None:
    """Copy what an image has below it into the image itself."""
    for option in ("verbose", "async"):
        arguments.requires(option, "wait")
    bandwidth = _bandwidth(arguments)
    seconds(arguments)
    domain = await lookup.domain(session, arguments)
    disk, base = arguments.text("path"), arguments.get("base")
    flags = arguments.flags(
        {
            "keep-relative": e.DomainBlockRebaseFlags.RELATIVE,
            "bytes": e.DomainBlockRebaseFlags.BANDWIDTH_BYTES,
        }
    )

    async def start(domain: Domain) -> None:
        if base is None and "keep-relative" not in arguments:
            await domain.block.pull(disk, bandwidth, flags)
        else:
            await domain.block.rebase(disk, base, bandwidth, flags)

    if "wait" not in arguments:
        await start(domain)
        remark(session, "Block Pull started")
        return
    words = {"label": "Block Pull", "noun": "Pull"}
    await _wait(session, domain, arguments, start, words)
    remark(session, "\nPull complete")


# Copy


@command("blockcopy")
async def blockcopy(session: Session, arguments: Arguments) -> None:
    """Copy a disk to another place, and keep both the same until told otherwise."""
    arguments.exclusive("dest", "xml")
    for option in ("format", "blockdev"):
        arguments.exclusive(option, "xml")
    arguments.exclusive("pivot", "finish")
    bandwidth = _bandwidth(arguments)
    waits = _check_waiting(arguments, "pivot", "finish")
    granularity, buffer = arguments.uint("granularity"), arguments.ulonglong("buf-size")
    if "dest" not in arguments and "xml" not in arguments:
        raise CommandFailed("need either --dest or --xml")
    domain = await lookup.domain(session, arguments)
    document = _destination(arguments)
    if "print-xml" in arguments:
        session.output.document(document)
        return
    by_document = granularity or buffer or any(option in arguments for option in _ONLY_COPY)
    format = arguments.get("format")

    async def start(domain: Domain) -> None:
        if by_document or format not in (None, "raw"):
            limits = _limits(arguments, bandwidth, granularity, buffer)
            flags = arguments.flags(_COPY)
            await domain.block.copy(arguments.text("path"), document, limits, flags)
            return
        flags = arguments.flags(_REBASE) | e.DomainBlockRebaseFlags.COPY
        if format is not None:
            flags |= e.DomainBlockRebaseFlags.COPY_RAW
        await domain.block.rebase(arguments.text("path"), arguments.text("dest"), bandwidth, flags)

    if not waits:
        await start(domain)
        remark(session, "Block Copy started")
        return
    await _wait(session, domain, arguments, start, {"label": "Block Copy", "noun": "Copy"})
    if "pivot" in arguments:
        await _end(session, domain, arguments, "pivot", "pivot", "Successfully pivoted")
    elif "finish" in arguments:
        await _end(session, domain, arguments, "finish", "finish", "Successfully copied")
    else:
        remark(session, "\nNow in mirroring phase")


_COPY = {
    "shallow": e.DomainBlockCopyFlags.SHALLOW,
    "reuse-external": e.DomainBlockCopyFlags.REUSE_EXT,
    "transient-job": e.DomainBlockCopyFlags.TRANSIENT_JOB,
    "synchronous-writes": e.DomainBlockCopyFlags.SYNCHRONOUS_WRITES,
}
_REBASE = {
    "shallow": e.DomainBlockRebaseFlags.SHALLOW,
    "reuse-external": e.DomainBlockRebaseFlags.REUSE_EXT,
    "blockdev": e.DomainBlockRebaseFlags.COPY_DEV,
    "bytes": e.DomainBlockRebaseFlags.BANDWIDTH_BYTES,
}
#: What the older call, which takes a path, cannot do.
_ONLY_COPY = ("xml", "transient-job", "synchronous-writes")


def _limits(
    arguments: Arguments, bandwidth: int, granularity: int | None, buffer: int | None
) -> dict[str, TypedParamValue]:
    rate = bandwidth if "bytes" in arguments else bandwidth * _MIB
    given = {
        "bandwidth": (Type.ULLONG, rate),
        "granularity": (Type.UINT, granularity),
        "buf-size": (Type.ULLONG, buffer),
    }
    return {name: TypedParamValue(kind, value) for name, (kind, value) in given.items() if value}


def _destination(arguments: Arguments) -> str:
    path = arguments.get("xml")
    if path is not None:
        return read_document(path)
    destination = arguments.text("dest")
    block = "blockdev" in arguments
    source = Node("source", {"dev" if block else "file": destination})
    disk = Node("disk", {"type": "block" if block else "file"}, [source])
    format = arguments.get("format")
    if format is not None:
        disk.children.append(Node("driver", {"type": format}))
    lines: list[str] = []
    disk.write(lines, "")
    return "".join(lines)


# Any of them

_ACTING = ("abort", "async", "pivot")
_LABELS = {
    e.DomainBlockJobType.PULL: "Block Pull",
    e.DomainBlockJobType.COPY: "Block Copy",
    e.DomainBlockJobType.COMMIT: "Block Commit",
    e.DomainBlockJobType.ACTIVE_COMMIT: "Active Block Commit",
    e.DomainBlockJobType.BACKUP: "Backup",
}


@command("blockjob")
async def blockjob(session: Session, arguments: Arguments) -> None:
    """Show the job of a disk, limit it, or end it."""
    for informing in ("raw", "info"):
        for other in (*_ACTING, "bandwidth"):
            arguments.exclusive(informing, other)
    for other in _ACTING:
        arguments.exclusive("bytes", other)
    domain = await lookup.domain(session, arguments)
    bandwidth = _bandwidth(arguments)
    disk = arguments.text("path")
    if any(option in arguments for option in _ACTING):
        flags = arguments.flag("async", e.DomainBlockJobAbortFlags.ASYNC)
        flags |= arguments.flag("pivot", e.DomainBlockJobAbortFlags.PIVOT)
        await domain.block.job_abort(disk, flags)
    elif "bandwidth" in arguments:
        speed = arguments.flag("bytes", e.DomainBlockJobSetSpeedFlags.BYTES)
        await domain.block.job_set_speed(disk, bandwidth, speed)
    elif "raw" in arguments:
        await _show_raw(session, domain, disk, arguments)
    else:
        await _show(session, domain, disk)


async def _show_raw(session: Session, domain: Domain, disk: str, arguments: Arguments) -> None:
    flags = arguments.flag("bytes", e.DomainBlockJobInfoFlags.BYTES)
    info = await domain.block.job_info(disk, flags)
    if info is None:
        return
    kind = _LABELS.get(e.DomainBlockJobType(info.type), "Unknown job")
    pairs = [("type", kind), ("bandwidth", info.bandwidth), ("cur", info.cur), ("end", info.end)]
    session.output.fields(pairs, " {}={}")


async def _show(session: Session, domain: Domain, disk: str) -> None:
    info = await domain.block.job_info(disk, e.DomainBlockJobInfoFlags.BYTES)
    if info is None:
        remark(session, f"No current block job for {disk}")
        return
    label = _LABELS.get(e.DomainBlockJobType(info.type), "Unknown job")
    print_progress(label, info.end - info.cur, info.end)
    if info.bandwidth:
        mib = info.bandwidth / _MIB
        session.output.raw(f"    Bandwidth limit: {info.bandwidth} bytes/s ({mib:.3f} MiB/s)")
    session.output.raw("\n")


# Not jobs


@command("blockresize")
async def blockresize(session: Session, arguments: Arguments) -> None:
    """Give a disk of a guest another size."""
    path = arguments.text("path")
    size = arguments.scaled("size", 1024) or 0
    # In KiB where that says it all: hosts of old know no other unit.
    flags = e.DomainBlockResizeFlags.BYTES if size % 1024 else 0
    domain = await lookup.domain(session, arguments)
    with failing(f"Failed to resize block device '{path}'"):
        await domain.block.resize(path, size if flags else size // 1024, flags)
    remark(session, f"Block device '{path}' is resized")


@command("domblkthreshold")
async def domblkthreshold(session: Session, arguments: Arguments) -> None:
    """Have an event raised once a disk's image has grown beyond so many bytes."""
    device = arguments.text("dev")
    threshold = arguments.scaled("threshold") or 0
    domain = await lookup.domain(session, arguments)
    await domain.block.set_threshold(device, threshold)
