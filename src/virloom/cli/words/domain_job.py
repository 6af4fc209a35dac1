# SPDX-License-Identifier: Apache-2.0
"""The long operation that a domain is in."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import shown_size
from virloom.cli.shell.typed import shown
from virloom.client.domain.domain import Domain
from virloom.client.domain.results import JobStats
from virloom.client.params import ParamValue
from virloom.enums import domain as e
from virloom.errors import NoSupport

Values = Mapping[str, ParamValue]

_OPERATIONS = {
    e.DomainJobOperation.UNKNOWN: "Unknown",
    e.DomainJobOperation.START: "Start",
    e.DomainJobOperation.SAVE: "Save",
    e.DomainJobOperation.RESTORE: "Restore",
    e.DomainJobOperation.MIGRATION_IN: "Incoming migration",
    e.DomainJobOperation.MIGRATION_OUT: "Outgoing migration",
    e.DomainJobOperation.SNAPSHOT: "Snapshot",
    e.DomainJobOperation.SNAPSHOT_REVERT: "Snapshot revert",
    e.DomainJobOperation.DUMP: "Dump",
    e.DomainJobOperation.BACKUP: "Backup",
}


@command("domjobabort")
async def domjobabort(session: Session, arguments: Arguments) -> None:
    """End the operation that a domain is in."""
    flags = arguments.flag("postcopy", e.DomainAbortJobFlagsValues.POSTCOPY)
    domain = await lookup.domain(session, arguments)
    await domain.jobs.abort(flags)


@command("domjobinfo")
async def domjobinfo(session: Session, arguments: Arguments) -> None:
    """Print how far the operation is that a domain is in."""
    arguments.requires("keep-completed", "completed")
    flags = arguments.flags(
        {
            "completed": e.DomainGetJobStatsFlags.COMPLETED,
            "keep-completed": e.DomainGetJobStatsFlags.KEEP_COMPLETED,
        }
    )
    domain = await lookup.domain(session, arguments)
    any_type = "anystats" in arguments
    stats = await _stats(domain, flags, raw="rawstats" in arguments)
    if "rawstats" in arguments:
        session.output.fields([("Job type", int(stats.type))], "{}: {}\n")
        session.output.fields([(n, shown(v)) for n, v in stats.values.items()], "{}: {}")
        return
    kind = e.DomainJobType(stats.type)
    session.output.fields([("Job type:", f"{kind.name.capitalize():<12}")], _LAYOUT)
    if kind == e.DomainJobType.NONE and not any_type:
        return
    for label, value in _lines(stats.values, kind):
        session.output.fields([(label, value)], _LAYOUT)


_LAYOUT = "{:<17} {}"


async def _stats(domain: Domain, flags: int, *, raw: bool) -> JobStats:
    """The statistics, which hosts of old have in short only."""
    try:
        return await domain.jobs.stats(flags)
    except NoSupport as error:
        if flags or raw:
            message = "Optional flags or --rawstats are not supported by the daemon"
            raise CommandFailed(message) from error
    info = await domain.jobs.info()
    names = {name: name.replace("mem_", "memory_").replace("file_", "disk_") for name in _SHORT}
    return JobStats(info.type, {new: getattr(info, old) for old, new in names.items()})


_SHORT = (
    "time_elapsed", "time_remaining", "data_total", "data_processed", "data_remaining",
    "mem_total", "mem_processed", "mem_remaining", "file_total", "file_processed",
    "file_remaining",
)  # fmt: skip


def _number(value: ParamValue, unit: str, width: int = 12) -> str:
    return f"{value:<{width}} {unit}" if unit else f"{value:<{width}}"


def _size(value: ParamValue, more: str = "") -> str:
    return shown_size(int(value), 3) + more


def _lines(values: Values, kind: e.DomainJobType) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    operation = values.get("operation")
    if isinstance(operation, int):
        known = set(_OPERATIONS)
        name = _OPERATIONS[e.DomainJobOperation(operation)] if operation in known else "Unknown"
        lines.append(("Operation:", f"{name:<12}"))
    lines += _numbers(values, _TIMES)
    if kind == e.DomainJobType.BOUNDED:
        lines.append(("Time remaining:", _number(values.get("time_remaining", 0), "ms")))
    lines += _amounts(values, "data", "Data") + _amounts(values, "memory", "Memory")
    lines += _numbers(values, _MEMORY)
    lines += _amounts(values, "disk", "File") + _numbers(values, _PAGES)
    downtime = "Total" if kind == e.DomainJobType.COMPLETED else "Expected"
    lines += _numbers(values, {"downtime": (f"{downtime} downtime:", "ms"), **_REST})
    if "errmsg" in values:
        lines.append(("Error message:", str(values["errmsg"])))
    return lines


def _amounts(values: Values, name: str, title: str) -> list[tuple[str, str]]:
    """What is done, left and there in all of the memory or the disks, if anything."""
    parts = {part: values.get(f"{name}_{part}", 0) for part in ("processed", "remaining", "total")}
    lines: list[tuple[str, str]] = []
    if any(parts.values()):
        lines = [(f"{title} {part}:", _size(amount)) for part, amount in parts.items()]
    speed = values.get(f"{name}_bps", 0)
    if speed:
        lines.append((f"{title} bandwidth:", _size(speed, "/s")))
    return lines


_BYTES = "bytes, in a greater unit"
_TIMES = {
    "time_elapsed": ("Time elapsed:", "ms"),
    "time_elapsed_net": ("Time elapsed w/o network:", "ms"),
}
_MEMORY = {
    "memory_dirty_rate": ("Dirty rate:", "pages/s"),
    "memory_page_size": ("Page size:", "bytes"),
    "memory_iteration": ("Iteration:", ""),
    "memory_postcopy_requests": ("Postcopy requests:", ""),
}
_PAGES = {
    "memory_constant": ("Constant pages:", ""),
    "memory_normal": ("Normal pages:", ""),
    "memory_normal_bytes": ("Normal data:", _BYTES),
}
_REST = {
    "downtime_net": ("Downtime w/o network:", "ms"),
    "setup_time": ("Setup time:", "ms"),
    "compression_cache": ("Compression cache:", _BYTES),
    "compression_bytes": ("Compressed data:", _BYTES),
    "compression_pages": ("Compressed pages:", ""),
    "compression_cache_misses": ("Compression cache misses:", ""),
    "compression_overflow": ("Compression overflows:", ""),
    "auto_converge_throttle": ("Auto converge throttle:", ""),
    "disk_temp_used": ("Temporary disk space use:", _BYTES),
    "disk_temp_total": ("Temporary disk space total:", _BYTES),
}
#: Their numbers take another place.
_WIDER = ("compression_pages", "compression_cache_misses", "compression_overflow",
          "auto_converge_throttle")  # fmt: skip


def _numbers(values: Values, titles: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, (title, unit) in titles.items():
        if name not in values:
            continue
        if unit == _BYTES:
            text = _size(values[name])
        else:
            text = _number(values[name], unit, 13 if name in _WIDER else 12)
        lines.append((title, text))
    return lines
