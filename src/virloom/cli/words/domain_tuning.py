# SPDX-License-Identifier: Apache-2.0
"""What a guest may take of the host: disks' and interfaces' traffic, processor shares, counters."""

from __future__ import annotations

from virloom.cli.shell import bandwidth, lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.impact import CONFIG, LIVE, chosen_impact
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.typed import LAYOUT, of_text, show_params
from virloom.client.params import ParamValue
from virloom.enums.params import TypedParameterType as Type
from virloom.errors import InvalidArg
from virloom.procedures.record import TypedParamValue

Values = dict[str, TypedParamValue]


@command("blkdeviotune")
async def blkdeviotune(session: Session, arguments: Arguments) -> None:
    """Show or set the limits of a disk's traffic."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    disk = arguments.text("device")
    values = _disk_limits(session, arguments)
    if values:
        with failing("Unable to change block I/O throttle"):
            await domain.block.set_io_tune(disk, values, flags)
        return
    with failing(_no_params("block I/O throttle", flags)):
        found = await domain.block.io_tune(disk, flags)
    show_params(session, found)


def _no_params(what: str, flags: int) -> str:
    """What is said when parameters are not to be had.

    They are asked for twice, first for their number; what cannot be asked at all fails there.
    """
    first = "number of " if flags == LIVE | CONFIG else ""
    return f"Unable to get {first}{what} parameters"


_TRAFFIC = ("total", "read", "write")
_BYTES = [f"{kind}-bytes-sec{more}" for more in ("", "-max") for kind in _TRAFFIC]
_COUNTS = [
    *(f"{kind}-iops-sec{more}" for more in ("", "-max") for kind in _TRAFFIC),
    "size-iops-sec",
    *(f"{kind}-{what}-sec-max-length" for what in ("bytes", "iops") for kind in _TRAFFIC),
]


def _disk_limits(session: Session, arguments: Arguments) -> Values:
    values: Values = {}
    complaint = "Unable to parse integer parameter"
    try:
        for option in (*_BYTES, *_COUNTS):
            scaled = option in _BYTES
            limit = arguments.scaled(option) if scaled else arguments.ulonglong(option)
            if limit is not None:
                values[option.replace("-", "_")] = TypedParamValue(Type.ULLONG, limit)
        complaint = "Unable to parse group-name parameter"
        group = arguments.get("group-name")
    except CommandFailed as failure:
        session.complain(str(failure))
        raise CommandFailed(complaint) from failure.__cause__
    if group is not None:
        values["group_name"] = TypedParamValue(Type.STRING, group)
    return values


@command("blkiotune")
async def blkiotune(session: Session, arguments: Arguments) -> None:
    """Show or set a guest's share of the host's disks."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    weight = arguments.integer("weight")
    if weight is not None and weight <= 0:
        raise CommandFailed(f"Invalid value of {weight} for I/O weight")
    values: Values = {} if weight is None else {"weight": TypedParamValue(Type.UINT, weight)}
    for option, name in _PER_DEVICE.items():
        text = arguments.get(option, empty=True)
        if text == "":
            raise CommandFailed("Unable to parse string parameter")
        if text is not None:
            values[name] = TypedParamValue(Type.STRING, text)
    if values:
        with failing("Unable to change blkio parameters"):
            await domain.block.set_io_parameters(values, flags)
        return
    with failing("Unable to get number of blkio parameters"):
        found = await domain.block.io_parameters(flags)
    show_params(session, found)


_PER_DEVICE = {
    "device-weights": "device_weight",
    "device-read-iops-sec": "device_read_iops_sec",
    "device-write-iops-sec": "device_write_iops_sec",
    "device-read-bytes-sec": "device_read_bytes_sec",
    "device-write-bytes-sec": "device_write_bytes_sec",
}


@command("domiftune")
async def domiftune(session: Session, arguments: Arguments) -> None:
    """Show or set the limits of a network interface's traffic."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    device = arguments.text("interface")
    values = _interface_limits(arguments)
    if values:
        with failing("Unable to set interface parameters"):
            await domain.interfaces.set_parameters(device, values, flags)
        return
    with failing(_no_params("interface", flags)):
        found = await domain.interfaces.parameters(device, flags)
    show_params(session, found)


_GREATEST_RATE = 2**32 - 1


def _interface_limits(arguments: Arguments) -> Values:
    values: Values = {}
    rates = {
        "inbound": bandwidth.inbound(arguments, may_clear=True),
        "outbound": bandwidth.outbound(arguments, may_clear=True),
    }
    for direction, rate in rates.items():
        if rate is not None and max(rate) > _GREATEST_RATE:
            raise CommandFailed(f"{direction} rate larger than maximum {_GREATEST_RATE}")
        for name, amount in rate._asdict().items() if rate is not None else ():
            # An average of zero takes the limits away.
            if amount or name == "average":
                values[f"{direction}.{name}"] = TypedParamValue(Type.UINT, amount)
    return values


@command("schedinfo")
async def schedinfo(session: Session, arguments: Arguments) -> None:
    """Show or set a guest's share of the host's processors."""
    flags = chosen_impact(arguments)
    domain = await lookup.domain(session, arguments)
    kind = await domain.cpu.scheduler_type()
    session.output.fields([("Scheduler", kind.name or "Unknown")], LAYOUT)
    wanted = _wishes(arguments)
    # Both cannot be shown at once; after a change they are the same.
    shown = 0 if flags == LIVE | CONFIG else flags
    types = {one.field: one.value.type for one in await domain.cpu.scheduler_params(shown)}
    for name, _ in wanted:
        if name not in types:
            raise CommandFailed(f"invalid scheduler option: {name}")
    values: Values = {}
    for name, text in wanted:
        if name in values:
            raise _repeated(name)
        values[name] = of_text(name, text, types[name])
    if values:
        await domain.cpu.set_scheduler_parameters(values, flags)
    elif shown != flags:
        raise CommandFailed("cannot query both live and config at once")
    show_params(session, await domain.cpu.scheduler_parameters(shown))


def _wishes(arguments: Arguments) -> list[tuple[str, str]]:
    wanted = [(name, arguments.text(name)) for name in ("weight", "cap") if name in arguments]
    for text in arguments.words("set"):
        name, equals, wish = text.partition("=")
        if not equals:
            raise CommandFailed("Invalid syntax for --set, expecting name=value")
        wanted.append((name, wish))
    return wanted


def _repeated(name: str) -> InvalidArg:
    return InvalidArg(f"parameter '{name}' occurs multiple times")


@command("perf")
async def perf(session: Session, arguments: Arguments) -> None:
    """Show or set which performance events of a guest are counted."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    given = [
        (name, option == "enable")
        for option in ("enable", "disable")
        for name in (arguments.get(option) or "").split(",")
        if name
    ]
    if not given:
        with failing("Unable to get perf events"):
            found = await domain.cpu.perf_events(flags)
        session.output.fields([(name, _state(value)) for name, value in found.items()], LAYOUT)
        return
    with failing("Unable to enable/disable perf events"):
        values = {name: TypedParamValue(Type.BOOLEAN, int(on)) for name, on in given}
        for name in values:
            if [one for one, _ in given].count(name) > 1:
                raise _repeated(name)
        await domain.cpu.set_perf_events(values, flags)
    for name, on in given:
        session.output.note(LAYOUT.format(name, _state(on)))


def _state(on: ParamValue) -> str:
    return "enabled" if on else "disabled"
