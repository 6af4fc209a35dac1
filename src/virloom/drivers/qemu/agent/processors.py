# SPDX-License-Identifier: Apache-2.0
"""The processors that an agent tells of, and switches on and off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from virloom.drivers.qemu.agent.access import AgentCall, asking
from virloom.drivers.qemu.agent.answers import items, number, reading
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.runtime.jobs import Job
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationUnsupported

_GET, _SET = "guest-get-vcpus", "guest-set-vcpus"

#: Numbers of processors that a guest may name.
_MOST = 16384

_RANGE = re.compile(r"(\^?)(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


class GuestCpu(NamedTuple):
    """A processor in the guest."""

    id: int
    online: bool
    offlinable: bool


async def processors(asked: AgentCall) -> list[GuestCpu]:
    """What the guest has, raised as by :meth:`AgentCall.execute`."""
    answer = await asked.execute(_GET)
    with reading(_GET):
        return [_processor(item) for item in items(answer)]


def _processor(item: dict[str, Any]) -> GuestCpu:
    offlinable = item.get("can-offline", False)
    if not isinstance(item["online"], bool) or not isinstance(offlinable, bool):
        raise TypeError("neither on nor off")
    return GuestCpu(number(item["logical-id"], 0, _MOST - 1), item["online"], offlinable)


async def switch(asked: AgentCall, ids: Iterable[int], *, online: bool) -> None:
    """Switches processors on or off; an agent may do them one by one.

    Raises:
        InternalError: It stops on the way.
    """
    wanted = [{"logical-id": id, "online": online} for id in ids]
    while wanted:
        answer = await asked.execute(_SET, {"vcpus": wanted})
        with reading(_SET):
            done = number(answer, 0, len(wanted))
        if not done:
            raise InternalError(
                f"failed to set state of cpu {wanted[0]['logical-id']} via guest agent",
                domain=ErrorDomain.QEMU,
            )
        del wanted[:done]


def changes(cpus: Sequence[GuestCpu], count: int) -> tuple[list[int], bool]:
    """Which processors are switched so that *count* are on, and whether on or off.

    Raises:
        InvalidArg: The guest has not so many.
        OperationUnsupported: It cannot do without so many.
    """
    online = [cpu for cpu in cpus if cpu.online]
    if count >= len(online):
        off = [cpu.id for cpu in cpus if not cpu.online]
        if count - len(online) > len(off):
            raise InvalidArg(
                f"requested vcpu count is greater than the count of vcpus of the guest: "
                f"{count} > {len(cpus)}",
                domain=ErrorDomain.QEMU,
            )
        return off[: count - len(online)], True
    removable = [cpu.id for cpu in reversed(online) if cpu.offlinable]
    surplus = len(online) - count
    if surplus > len(removable):
        raise InternalError(
            f"cannot remove any more vcpus: the guest can do without {len(removable)} of them",
            domain=ErrorDomain.QEMU,
        )
    return removable[:surplus], False


async def switch_to(guest: Guest, owner: str, count: int) -> None:
    """Has the guest use so many processors: what VIR_DOMAIN_VCPU_GUEST asks for.

    Raises:
        InvalidArg: The domain or the guest has not so many.
        InternalError: The guest cannot do without so many.
    """
    async with asking(guest, Job.MODIFY, owner, domain=ErrorDomain.QEMU) as asked:
        vcpu = asked.running.model.vcpu
        most = vcpu.current or vcpu.value or 1
        if count > most:
            raise InvalidArg(
                "requested vcpu count is greater than the count of enabled vcpus in the domain: "
                f"{count} > {most}",
                domain=ErrorDomain.QEMU,
            )
        ids, online = changes(await processors(asked), count)
        await switch(asked, ids, online=online)


def check_choice(cpus: Sequence[GuestCpu], ids: Iterable[int], *, online: bool) -> None:
    """Whether the guest has those processors, and lets them go.

    Raises:
        InvalidArg, OperationUnsupported: Not all of them.
    """
    known = {cpu.id: cpu for cpu in cpus}
    missing = sorted(set(ids) - known.keys())
    if missing:
        raise InvalidArg(
            f"guest is missing vCPUs '{numbers_text(missing)}'", domain=ErrorDomain.QEMU
        )
    for id in sorted(ids):
        if not online and not known[id].offlinable:
            raise OperationUnsupported(f"vCPU '{id}' is not offlinable", domain=ErrorDomain.QEMU)


def parse_numbers(words: str) -> set[int]:
    """A set of processors in libvirt's form: ``0-3,^2,5``.

    Raises:
        InvalidArg: It is none.
    """
    found: set[int] = set()
    for part in words.split(","):
        match = _RANGE.fullmatch(part.strip())
        low, high = (int(match[2]), int(match[3] or match[2])) if match else (0, _MOST)
        if match is None or not low <= high < _MOST:
            raise InvalidArg(f"Failed to parse bitmap '{words}'")
        numbers = range(low, high + 1)
        found = found.difference(numbers) if match[1] else found.union(numbers)
    return found


def numbers_text(numbers: Iterable[int]) -> str:
    """The same form of a set, ranges where there are some."""
    runs: list[list[int]] = []
    for one in sorted(numbers):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
