# SPDX-License-Identifier: Apache-2.0
"""The memory of a domain: how much, its limits on the host, its NUMA cells."""

from __future__ import annotations

import re

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments, parse_number
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.impact import LIVE, chosen_impact
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import NoSize, read_size
from virloom.cli.shell.typed import show_params
from virloom.enums.params import TypedParameterType as Type
from virloom.procedures.record import TypedParamValue

_UNLIMITED = 2**53 - 1
"""libvirt's VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, KiB."""

_NEGATIVE = re.compile(r"\s*-[0-9]")
_MODES = ("strict", "preferred", "interleave", "restrictive")


def _size(arguments: Arguments) -> int:
    size = arguments.scaled("size", 1024)
    assert size is not None
    return -(-size // 1024)


@command("setmem")
async def setmem(session: Session, arguments: Arguments) -> None:
    """Give a guest more or less memory, up to what it can have."""
    flags = chosen_impact(arguments)
    domain = await lookup.domain(session, arguments)
    await domain.memory.set(_size(arguments), LIVE if flags is None else flags)


@command("setmaxmem")
async def setmaxmem(session: Session, arguments: Arguments) -> None:
    """Change how much memory a domain can have."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    size = _size(arguments)
    with failing("Unable to change MaxMemorySize"):
        await domain.memory.set_maximum(size, flags)


@command("memtune")
async def memtune(session: Session, arguments: Arguments) -> None:
    """Show or set how much of the host's memory a guest may take."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    options = ("hard-limit", "soft-limit", "swap-hard-limit", "min-guarantee")
    limits = {option.replace("-", "_"): _limit(arguments, option) for option in options}
    values = {
        name: TypedParamValue(Type.ULLONG, limit)
        for name, limit in limits.items()
        if limit is not None
    }
    if values:
        with failing("Unable to change memory parameters"):
            await domain.memory.set_parameters(values, flags)
        return
    with failing("Unable to get number of memory parameters"):
        found = await domain.memory.parameters(flags)
    show_params(session, {name: "unlimited" if v == _UNLIMITED else v for name, v in found.items()})


def _limit(arguments: Arguments, option: str) -> int | None:
    """KiB; what is below zero stands for no limit."""
    text = arguments.get(option, empty=True)
    if text is None:
        return None
    if _NEGATIVE.match(text):
        return _UNLIMITED
    message = f"Unable to parse integer parameter {option}"
    try:
        with failing(message):
            return -(-read_size(text, 1024, 2**63 - 1) // 1024)
    except NoSize:
        raise CommandFailed(message) from None


@command("numatune")
async def numatune(session: Session, arguments: Arguments) -> None:
    """Show or set from which of the host's NUMA cells the memory comes."""
    flags = arguments.impact()
    domain = await lookup.domain(session, arguments)
    nodeset, mode = arguments.get("nodeset"), arguments.get("mode")
    values: dict[str, TypedParamValue] = {}
    if nodeset is not None:
        values["numa_nodeset"] = TypedParamValue(Type.STRING, nodeset)
    if mode is not None:
        values["numa_mode"] = TypedParamValue(Type.INT, _mode(mode))
    if values:
        with failing("Unable to change numa parameters"):
            await domain.memory.set_numa_parameters(values, flags)
        return
    with failing("Unable to get number of memory parameters"):
        found = await domain.memory.numa_parameters(flags)
    number = found.get("numa_mode")
    if isinstance(number, int) and 0 <= number < len(_MODES):
        found["numa_mode"] = _MODES[number]
    show_params(session, found)


def _mode(text: str) -> int:
    if text in _MODES:
        return _MODES.index(text)
    number = parse_number(text)
    if number is None:
        raise CommandFailed(f"Invalid mode: {text}")
    return number
