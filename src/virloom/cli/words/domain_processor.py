# SPDX-License-Identifier: Apache-2.0
"""Virtual processors: how many there are, their time, and where they run."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.cpus import chosen, how_many, ranges
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.impact import CONFIG, LIVE, chosen_impact
from virloom.cli.shell.output import PlainOutput
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.domain.domain import Domain
from virloom.client.domain.results import VcpuInfo
from virloom.client.params import ParamValue
from virloom.enums.domain import DomainVcpuFlags, VcpuState
from virloom.errors import InvalidArg, NoSupport, OperationInvalid, VirloomError

_STATES = {
    VcpuState.OFFLINE: "offline",
    VcpuState.RUNNING: "running",
    VcpuState.BLOCKED: "blocked",
}
_LABELS = "{:<15} {}"


@command("vcpuinfo")
async def vcpuinfo(session: Session, arguments: Arguments) -> None:
    """List the virtual processors, with their time and the host's processors they run on."""
    connection = await session.connection()
    domain = await lookup.domain(session, arguments)
    number = await how_many(connection)
    try:
        vcpus = [_facts(one) for one in await domain.cpu.vcpus()]
    except OperationInvalid:
        if await domain.is_active():
            raise
        pins = await domain.cpu.pins(CONFIG)
        vcpus = [(str(vcpu), "N/A", "N/A", "N/A", cpus) for vcpu, cpus in enumerate(pins)]
    rows = [
        [vcpu, cpu, state, time, _affinity(affinity, number, pretty="pretty" in arguments)]
        for vcpu, cpu, state, time, affinity in vcpus
    ]
    _print_vcpus(session, rows)


_TITLES = ("VCPU:", "CPU:", "State:", "CPU time:", "CPU Affinity:")


def _print_vcpus(session: Session, rows: list[list[str]]) -> None:
    if not isinstance(session.output, PlainOutput):
        session.output.table(_TITLES, rows)
        return
    for place, row in enumerate(rows):
        for title, text in zip(_TITLES, row, strict=True):
            # virsh has it so of one that does not run.
            name = "CPU time" if title == "CPU time:" and text == "N/A" else title
            session.output.text(_LABELS.format(name, text))
        if place < len(rows) - 1:
            session.output.raw("\n")


def _facts(vcpu: VcpuInfo) -> tuple[str, str, str, str, frozenset[int]]:
    cpu = str(vcpu.cpu) if vcpu.cpu >= 0 else "N/A"
    state = _STATES.get(VcpuState(vcpu.state), "no state")
    return str(vcpu.number), cpu, state, f"{vcpu.cpu_time / 1e9:.1f}s", vcpu.affinity


def _affinity(cpus: frozenset[int], number: int, *, pretty: bool) -> str:
    if pretty:
        return f"{ranges(cpu for cpu in cpus if cpu < number)} (out of {number})"
    return "".join("y" if cpu in cpus else "-" for cpu in range(number))


@command("vcpucount")
async def vcpucount(session: Session, arguments: Arguments) -> None:
    """Print how many virtual processors a domain has, and can have."""
    arguments.exclusive("live", "config")
    arguments.exclusive("active", "maximum")
    arguments.exclusive("guest", "config")
    domain = await lookup.domain(session, arguments)
    options = ("maximum", "active", "live", "config", "current", "guest")
    if not any(option in arguments for option in options):
        await _all_counts(session, domain)
        return
    flags = arguments.flags({"live": LIVE, "config": CONFIG}) | arguments.flags(
        {"maximum": DomainVcpuFlags.MAXIMUM, "guest": DomainVcpuFlags.GUEST}
    )
    session.output.value("count", await _count(domain, flags))


async def _count(domain: Domain, flags: int) -> int:
    try:
        return await domain.cpu.count(flags)
    except (InvalidArg, NoSupport) as error:
        if flags & DomainVcpuFlags.GUEST:
            raise CommandFailed("Failed to retrieve vCPU count from the guest") from error
        raise


async def _all_counts(session: Session, domain: Domain) -> None:
    persistent, active = await domain.is_persistent(), await domain.is_active()
    for name, kind in (("maximum", int(DomainVcpuFlags.MAXIMUM)), ("current", 0)):
        for home, flag, there in (("config", CONFIG, persistent), ("live", LIVE, active)):
            if there:
                count = await domain.cpu.count(kind | flag)
                session.output.fields([(f"{name:<12} {home}", count)], "{:<25} {:>3}")


@command("vcpupin")
async def vcpupin(session: Session, arguments: Arguments) -> None:
    """Show or set on which of the host's processors a virtual one may run."""
    impact = chosen_impact(arguments)
    cpulist = arguments.get("cpulist", empty=True)
    if cpulist is None:
        arguments.exclusive("live", "config")
    vcpu = arguments.uint("vcpu")
    if cpulist is not None and vcpu is None:
        raise CommandFailed("vcpupin: Missing vCPU number in pin mode.")
    domain = await lookup.domain(session, arguments)
    if cpulist is None:
        await _show_pins(session, domain, vcpu, impact or 0)
        return
    assert vcpu is not None
    cpus = await chosen(await session.connection(), cpulist)
    await domain.cpu.pin(vcpu, cpus, impact)


async def _show_pins(session: Session, domain: Domain, vcpu: int | None, flags: int) -> None:
    if flags & LIVE and not await domain.is_active():
        raise CommandFailed("cannot get vcpupin for offline domain")
    if flags & CONFIG and not await domain.is_persistent():
        raise CommandFailed("cannot get vcpupin for transient domain")
    number = await domain.cpu.count(flags | DomainVcpuFlags.MAXIMUM)
    if vcpu is not None and vcpu >= number:
        live = flags & LIVE or (not flags & CONFIG and await domain.is_active())
        where = "live" if live else "persistent"
        raise CommandFailed(f"vcpu {vcpu} is out of range of {where} cpu count {number}")
    pins = await domain.cpu.pins(flags, number)
    known = frozenset(range(await how_many(await session.connection())))
    rows = [[str(place), ranges(cpus & known)] for place, cpus in enumerate(pins)]
    shown = rows if vcpu is None else rows[vcpu : vcpu + 1]
    session.output.table(["VCPU", "CPU Affinity"], shown)


@command("emulatorpin")
async def emulatorpin(session: Session, arguments: Arguments) -> None:
    """Show or set on which of the host's processors the emulator's threads may run."""
    flags = arguments.impact()
    cpulist = arguments.get("cpulist", empty=True)
    domain = await lookup.domain(session, arguments)
    if cpulist is None:
        number = await how_many(await session.connection())
        cpus = ranges(cpu for cpu in await domain.cpu.emulator_pin(flags) if cpu < number)
        if isinstance(session.output, PlainOutput):
            session.output.note("emulator: CPU Affinity\n" + 34 * "-")
        session.output.fields([("emulator", cpus)], "{1}" if session.quiet else "       *: {1}")
        return
    await domain.cpu.pin_emulator(await chosen(await session.connection(), cpulist), flags)


@command("guestvcpus")
async def guestvcpus(session: Session, arguments: Arguments) -> None:
    """Show or change which processors the guest uses, by its agent."""
    arguments.exclusive("enable", "disable")
    for option in ("enable", "disable"):
        arguments.requires(option, "cpulist")
    if "cpulist" in arguments and not {"enable", "disable"} & set(_given(arguments)):
        raise CommandFailed("One of options --enable or --disable is required by option --cpulist")
    domain = await lookup.domain(session, arguments)
    cpulist = arguments.get("cpulist")
    if cpulist is not None:
        await domain.cpu.set_guest_vcpus(cpulist, "enable" in arguments)
        return
    session.output.fields((await domain.cpu.guest_vcpus()).items(), "{:<15}: {}")


def _given(arguments: Arguments) -> list[str]:
    return [option for option in ("enable", "disable") if option in arguments]


@command("setvcpu")
async def setvcpu(session: Session, arguments: Arguments) -> None:
    """Plug single virtual processors in or out."""
    arguments.exclusive("enable", "disable")
    flags = arguments.impact()
    if not _given(arguments):
        raise CommandFailed("one of --enable, --disable is required")
    domain = await lookup.domain(session, arguments)
    await domain.cpu.set_vcpus(arguments.text("vcpulist"), "enable" in arguments, flags)


@command("setvcpus")
async def setvcpus(session: Session, arguments: Arguments) -> None:
    """Change how many virtual processors a domain has, or can have."""
    flags = chosen_impact(arguments)
    arguments.exclusive("guest", "config")
    arguments.requires("maximum", "config")
    more = arguments.flags(
        {
            "maximum": DomainVcpuFlags.MAXIMUM,
            "guest": DomainVcpuFlags.GUEST,
            "hotpluggable": DomainVcpuFlags.HOTPLUGGABLE,
        }
    )
    domain = await lookup.domain(session, arguments)
    count = arguments.uint("count")
    if not count:
        raise CommandFailed("Can't set 0 processors for a VM")
    await domain.cpu.set_count(count, (flags or 0) | more if more else flags)


@command("cpu-stats")
async def cpu_stats(session: Session, arguments: Arguments) -> None:
    """Print the processor time of a domain, by the host's processors and in all."""
    first, number = arguments.integer("start"), arguments.integer("count")
    if first is not None and first < 0:
        raise CommandFailed("Invalid value for start CPU")
    if number is not None and number < 0:
        raise CommandFailed("Invalid value for number of CPUs to show")
    chosen_cpus = first is not None or number is not None
    domain = await lookup.domain(session, arguments)
    try:
        if chosen_cpus or "total" not in arguments:
            await _each_cpu(session, domain, first or 0, number)
        if "total" in arguments or not chosen_cpus:
            total = await domain.cpu.total_stats()
            _times(session, "Total", total, ("cpu", "user", "system"))
    except VirloomError as error:
        raise CommandFailed(
            f"Failed to retrieve CPU statistics for domain '{domain.name}'"
        ) from error


async def _each_cpu(session: Session, domain: Domain, first: int, number: int | None) -> None:
    most = await domain.cpu.stats_size()
    if first and first >= most:
        raise CommandFailed(f"Start CPU {first} is out of range (min: 0, max: {most - 1})")
    if number is not None and number > most - first:
        if number > most:
            session.output.text(f"Only {most} CPUs available to show")
        number = None
    if number == 0:
        return
    for place, times in enumerate(await domain.cpu.stats(first, number), first):
        _times(session, f"CPU{place}", times, ("cpu", "vcpu"))


def _times(
    session: Session, title: str, values: dict[str, ParamValue], names: tuple[str, ...]
) -> None:
    if isinstance(session.output, PlainOutput):
        session.output.text(f"{title}:")
    for name in (f"{one}_time" for one in names):
        value = values.get(name)
        if isinstance(value, int):
            seconds, rest = divmod(value, 10**9)
            text = f"{seconds}.{rest:09d} seconds"
            session.output.fields([(f"{title} {name}", text)], f"\t{name:<12} {{1:>27}}")
