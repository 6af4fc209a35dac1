# SPDX-License-Identifier: Apache-2.0
"""A domain's disks: which there are, how big, how busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import attribute, below, first, parsed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import shown_size
from virloom.client.params import ParamValue
from virloom.enums.domain import DomainXMLFlags
from virloom.errors import NoSupport, VirloomError

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain
    from virloom.client.domain.results import BlockInfo
    from virloom.xml import Node


async def disks_of(domain: Domain, flags: int = 0) -> list[Node]:
    """The disks in a domain's document."""
    return list(below(parsed(await domain.xml_desc(flags)), "devices/disk"))


def source_of(disk: Node) -> str:
    """Where a disk's data are, as virsh shows it; ``-`` for nowhere."""
    source = first(disk, "source")
    if source is None:
        return "-"
    names = {"nvme": (), "vhostuser": ("path",), "volume": ("volume",), "network": ("name",)}
    for name in names.get(disk.attributes.get("type", ""), ("file", "dev", "dir", "path", "name")):
        if name in source.attributes:
            return source.attributes[name]
    return "-"


@command("domblklist")
async def domblklist(session: Session, arguments: Arguments) -> None:
    """Print a domain's disks."""
    domain = await lookup.domain(session, arguments)
    flags = arguments.flag("inactive", DomainXMLFlags.INACTIVE)
    rows = []
    for disk in await disks_of(domain, flags):
        target = attribute(disk, "target", "dev")
        if target is None:
            raise CommandFailed("unable to query block list")
        kinds = [disk.attributes.get("type", ""), disk.attributes.get("device", "disk")]
        rows.append([*(kinds if "details" in arguments else []), target, source_of(disk)])
    details = ["Type", "Device"] if "details" in arguments else []
    session.output.table([*details, "Target", "Source"], rows)


_SIZES = ("Capacity", "Allocation", "Physical")


def _shown(info: BlockInfo, *, human: bool) -> list[str]:
    sizes = (info.capacity, info.allocation, info.physical)
    return [shown_size(size, 3) if human else str(size) for size in sizes]


@command("domblkinfo")
async def domblkinfo(session: Session, arguments: Arguments) -> None:
    """Print the size of a domain's disk, or of all of them."""
    arguments.exclusive("all", "device")
    human = "human" in arguments
    device = arguments.get("device")
    if device is None and "all" not in arguments:
        raise CommandFailed("command 'domblkinfo' requires <device> option")
    domain = await lookup.domain(session, arguments)
    if device is not None:
        shown = _shown(await domain.block.info(device), human=human)
        session.output.fields(
            [(f"{name}:", size) for name, size in zip(_SIZES, shown, strict=True)]
        )
        return
    rows = [await _size_row(domain, disk, human=human) for disk in await disks_of(domain)]
    session.output.table(["Target", *_SIZES], rows)


async def _size_row(domain: Domain, disk: Node, *, human: bool) -> list[str]:
    target = attribute(disk, "target", "dev") or "-"
    if first(disk, "source") is None:
        return [target, "-", "-", "-"]
    try:
        return [target, *_shown(await domain.block.info(target), human=human)]
    except VirloomError:
        running = await domain.is_active()
        if running or disk.attributes.get("type") != "network":
            raise
        return [target, "-", "-", "-"]


# The driver's name, virsh's own, and what it says in words.
_COUNTERS = (
    ("rd_operations", "rd_req", "number of read operations:"),
    ("rd_bytes", "rd_bytes", "number of bytes read:"),
    ("wr_operations", "wr_req", "number of write operations:"),
    ("wr_bytes", "wr_bytes", "number of bytes written:"),
    ("errs", "errs", "error count:"),
    ("flush_operations", "flush_operations", "number of flush operations:"),
    ("rd_total_times", "rd_total_times", "total duration of reads (ns):"),
    ("wr_total_times", "wr_total_times", "total duration of writes (ns):"),
    ("flush_total_times", "flush_total_times", "total duration of flushes (ns):"),
)
_WITHOUT_TIMES = _COUNTERS[:5]


@command("domblkstat")
async def domblkstat(session: Session, arguments: Arguments) -> None:
    """Print how busy a domain's disk is, or all of them together."""
    domain = await lookup.domain(session, arguments)
    device = arguments.get("device", empty=True) or ""
    counters = await _counters(domain, device)
    human = "human" in arguments
    if human:
        session.output.text(f"Device: {device}")
    for name, short, long in _COUNTERS:
        if name in counters:
            label = f" {long:<31}" if human else f"{device} {short}"
            session.output.fields([(label, counters[name])], "{} {}")
    known = {name for name, _, _ in _COUNTERS}
    others = [(f"{device} {name}", value) for name, value in counters.items() if name not in known]
    session.output.fields(others, "{} {}")


async def _counters(domain: Domain, device: str) -> dict[str, ParamValue]:
    try:
        return await domain.block.stats_params(device)
    except NoSupport:
        with failing(f"Failed to get block stats {domain.name} {device}"):
            plain = await domain.block.stats(device)
    values = (plain.rd_req, plain.rd_bytes, plain.wr_req, plain.wr_bytes, plain.errs)
    return {
        name: value
        for (name, _, _), value in zip(_WITHOUT_TIMES, values, strict=True)
        if value >= 0
    }
