# SPDX-License-Identifier: Apache-2.0
"""What a domain does now: its state, its memory, its clock, its errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.states import reason_word, state_word, word
from virloom.enums import domain as e
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain

_UNLIMITED = 2**64 - 1


@command("domstate")
async def domstate(session: Session, arguments: Arguments) -> None:
    """Print a domain's state."""
    domain = await lookup.domain(session, arguments)
    status = await domain.state()
    shown = state_word(status.state)
    if "reason" in arguments:
        shown += f" ({reason_word(status.state, status.reason)})"
    session.output.value("state", shown)


@command("dominfo")
async def dominfo(session: Session, arguments: Arguments) -> None:
    """Print a domain's main facts."""
    domain = await lookup.domain(session, arguments)
    pairs: list[tuple[str, object]] = [
        ("Id:", domain.id if domain.id >= 0 else "-"),
        ("Name:", domain.name),
        ("UUID:", domain.uuid),
    ]
    pairs += await _machine(domain)
    pairs += await _keeping(domain)
    pairs += await _security(session, domain)
    session.output.fields(pairs)
    messages = await _messages(domain)
    for at, message in enumerate(messages):
        session.output.fields([("Messages:" if at == 0 else "", message)])


async def _machine(domain: Domain) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = [("OS Type:", await domain.os_type())]
    info = await domain.info()
    pairs += [("State:", state_word(info.state)), ("CPU(s):", info.vcpus)]
    if info.cpu_time:
        pairs.append(("CPU time:", f"{info.cpu_time / 1e9:.1f}s"))
    limit = "no limit" if info.max_memory == _UNLIMITED else f"{info.max_memory} KiB"
    return [*pairs, ("Max memory:", limit), ("Used memory:", f"{info.memory} KiB")]


async def _keeping(domain: Domain) -> list[tuple[str, object]]:
    return [
        ("Persistent:", "yes" if await domain.is_persistent() else "no"),
        ("Autostart:", "enable" if await domain.autostart() else "disable"),
        ("Managed save:", "yes" if await domain.saving.has_managed_save() else "no"),
    ]


async def _security(session: Session, domain: Domain) -> list[tuple[str, object]]:
    connection = await session.connection()
    try:
        model = await connection.security_model()
    except VirloomError:
        return []
    if not model.model:
        return []
    pairs: list[tuple[str, object]] = [
        ("Security model:", model.model),
        ("Security DOI:", model.doi),
    ]
    label = await domain.security_label()
    if label.label:
        how = "enforcing" if label.enforcing else "permissive"
        pairs.append(("Security label:", f"{label.label} ({how})"))
    return pairs


async def _messages(domain: Domain) -> list[str]:
    try:
        return await domain.messages()
    except VirloomError:
        # An older host, or another hypervisor, keeps none.
        return []


_CONTROL = ("ok", "background job", "occupied", "error")
_CONTROL_ERRORS = ("unknown", "unknown", "monitor failure", "internal (locking) error")


@command("domcontrol")
async def domcontrol(session: Session, arguments: Arguments) -> None:
    """Print whether a domain can be controlled now."""
    domain = await lookup.domain(session, arguments)
    info = await domain.control_info()
    shown = word(_CONTROL, info.state)
    if info.state == e.DomainControlState.ERROR:
        shown += f": {word(_CONTROL_ERRORS, info.error)}"
    if info.state not in (e.DomainControlState.OK, e.DomainControlState.ERROR):
        shown += f" ({info.state_time / 1000:.3f}s)"
    session.output.value("control", shown)


@command("dommemstat")
async def dommemstat(session: Session, arguments: Arguments) -> None:
    """Print a domain's memory in KiB by use, or change how often the guest tells it."""
    impact = arguments.impact()
    domain = await lookup.domain(session, arguments)
    period = arguments.integer("period")
    if period is not None:
        if period < 0:
            raise CommandFailed(f"Invalid collection period value '{period}'")
        with failing("Unable to change balloon collection period."):
            await domain.memory.set_stats_period(period, impact)
        return
    with failing(f"Failed to get memory statistics for domain {domain.name}"):
        stats = await domain.memory.stats()
    session.output.fields([(name, value) for name, value in stats.items()], "{} {}")


@command("domtime")
async def domtime(session: Session, arguments: Arguments) -> None:
    """Print the guest's clock, or set it."""
    arguments.exclusive("time", "now")
    arguments.exclusive("time", "sync")
    arguments.exclusive("now", "sync")
    domain = await lookup.domain(session, arguments)
    seconds = arguments.longlong("time")
    if seconds is None and not {"now", "sync"} & {n for n in ("now", "sync") if n in arguments}:
        now = (await domain.agent.time()).seconds
        shown = str(now)
        if "pretty" in arguments:
            shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")
        session.output.fields([("Time:", shown)], "{} {}")
        session.without_blank_line = True
        return
    if "now" in arguments:
        seconds = int(datetime.now(UTC).timestamp())
    await domain.agent.set_time(seconds or 0, 0, arguments.flag("sync", e.DomainSetTimeFlags.SYNC))


_DISK_ERRORS = ("no error", "unspecified error", "no space")


@command("domblkerror")
async def domblkerror(session: Session, arguments: Arguments) -> None:
    """Print which of a domain's disks have had errors."""
    domain = await lookup.domain(session, arguments)
    errors = await domain.block.errors()
    if not errors:
        session.output.note("No errors found")
        return
    pairs = [(one.disk, word(_DISK_ERRORS, one.error)) for one in errors]
    session.output.fields(pairs, "{}: {}")


_STATS = {
    "state": e.DomainStatsTypes.STATE,
    "cpu-total": e.DomainStatsTypes.CPU_TOTAL,
    "balloon": e.DomainStatsTypes.BALLOON,
    "vcpu": e.DomainStatsTypes.VCPU,
    "interface": e.DomainStatsTypes.INTERFACE,
    "block": e.DomainStatsTypes.BLOCK,
    "perf": e.DomainStatsTypes.PERF,
    "iothread": e.DomainStatsTypes.IOTHREAD,
    "memory": e.DomainStatsTypes.MEMORY,
    "dirtyrate": e.DomainStatsTypes.DIRTYRATE,
    "vm": e.DomainStatsTypes.VM,
}
_F = e.ConnectGetAllDomainStatsFlags
_STATS_FLAGS = {
    "list-active": _F.ACTIVE,
    "list-inactive": _F.INACTIVE,
    "list-persistent": _F.PERSISTENT,
    "list-transient": _F.TRANSIENT,
    "list-running": _F.RUNNING,
    "list-paused": _F.PAUSED,
    "list-shutoff": _F.SHUTOFF,
    "list-other": _F.OTHER,
    "enforce": _F.ENFORCE_STATS,
    "backing": _F.BACKING,
    "nowait": _F.NOWAIT,
}


@command("domstats")
async def domstats(session: Session, arguments: Arguments) -> None:
    """Print statistics of many domains."""
    connection = await session.connection()
    chosen = [(await lookup.domain_called(session, name)).ref for name in arguments.words("domain")]
    found = await connection.all_domain_stats(
        arguments.flags(_STATS), arguments.flags(_STATS_FLAGS), domains=chosen
    )
    for at, record in enumerate(found):
        if at:
            session.output.note("")
        session.output.record(f"Domain: '{record.domain.name}'", "  {}={}", record.values)
