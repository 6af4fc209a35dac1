# SPDX-License-Identifier: Apache-2.0
"""Which vCPUs a document has: how many, which are present, which can be plugged."""

from __future__ import annotations

from collections.abc import Collection

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Domain, SingleVcpu, Vcpus


def present(dom: Domain) -> list[int]:
    """Numbers of the vCPUs that are there, in order."""
    if dom.vcpus is not None:
        return [vcpu.id or 0 for vcpu in dom.vcpus.vcpus if vcpu.enabled]
    return list(range(dom.vcpu.current or most(dom)))


def most(dom: Domain) -> int:
    """How many there can be."""
    return dom.vcpu.value or 1


def told_apart(dom: Domain) -> list[SingleVcpu]:
    """An element for each vCPU, which the document has from now on."""
    if dom.vcpus is None:
        there = set(present(dom))
        dom.vcpus = Vcpus()
        dom.vcpus.vcpus = [
            SingleVcpu(id=number, enabled=number in there, hotpluggable=number not in there)
            for number in range(most(dom))
        ]
    return dom.vcpus.vcpus


def note_count(dom: Domain) -> None:
    """Makes ``current`` tell how many are present."""
    count = len(present(dom))
    dom.vcpu.current = count if count != most(dom) else None


def check_count(dom: Domain, count: int, which: str) -> None:
    """Whether a document can have so many vCPUs.

    Args:
        which: What the error calls the document.

    Raises:
        InvalidArg: It cannot.
    """
    if count > most(dom):
        raise InvalidArg(
            f"{count} vCPUs are more than the {which} domain '{dom.name}' can have: {most(dom)}",
            domain=ErrorDomain.QEMU,
        )


def set_count(dom: Domain, count: int, *, hotpluggable: bool) -> None:
    """Makes so many vCPUs present: the first absent ones come, the last present ones go.

    Args:
        hotpluggable: Those that come can be unplugged from a guest that runs, as those can of
            which the document says so.
    """
    now = present(dom)
    if dom.vcpus is None and not (hotpluggable and count > len(now)):
        dom.vcpu.current = count if count != most(dom) else None
        return
    each = told_apart(dom)
    _forget_order(each)
    coming = [vcpu for vcpu in each if not vcpu.enabled][: max(0, count - len(now))]
    going = [vcpu for vcpu in reversed(each) if vcpu.enabled][: max(0, len(now) - count)]
    for vcpu in coming:
        vcpu.enabled, vcpu.hotpluggable = True, hotpluggable or bool(vcpu.hotpluggable)
    for vcpu in going:
        vcpu.enabled, vcpu.hotpluggable = False, True
    note_count(dom)


def check_choice(dom: Domain, numbers: Collection[int]) -> None:
    """Whether these vCPUs of a persistent document can be switched on and off.

    Raises:
        InvalidArg: They cannot: the first one stays for good.
    """
    if 0 in numbers:
        raise InvalidArg("vCPU '0' can't be modified", domain=ErrorDomain.QEMU)
    for number in sorted(numbers):
        check_number(dom, number, "persistent")


def check_number(dom: Domain, number: int, which: str) -> None:
    """Raises InvalidArg when a document, the *which* one, has no such vCPU."""
    if number >= most(dom):
        raise InvalidArg(
            f"domain '{dom.name}' has no vCPU {number} in its {which} configuration",
            domain=ErrorDomain.QEMU,
        )


def set_some(dom: Domain, numbers: Collection[int], *, enabled: bool) -> None:
    """Switches single vCPUs on or off."""
    each = told_apart(dom)
    _forget_order(each)
    for vcpu in each:
        if vcpu.id in numbers:
            vcpu.enabled, vcpu.hotpluggable = enabled, True
    note_count(dom)


def set_most(dom: Domain, count: int) -> None:
    """Changes how many there can be; those above are forgotten.

    Raises:
        InvalidArg: The topology or the NUMA cells say otherwise.
    """
    _check_topology(dom, count)
    there = present(dom)
    dom.vcpu.value = count
    kept = [number for number in there if number < count]
    if dom.vcpus is None:
        dom.vcpu.current = len(kept) if len(kept) != count else None
    else:
        each = dom.vcpus.vcpus[:count]
        _forget_order(each)
        each += [SingleVcpu(id=number, enabled=False) for number in range(len(each), count)]
        dom.vcpus.vcpus = each
        note_count(dom)
    _forget_above(dom, count)


def _check_topology(dom: Domain, count: int) -> None:
    topology = dom.cpu.topology if dom.cpu is not None else None
    if topology is not None and topology.sockets is not None:
        product = topology.sockets * (topology.dies or 1)
        product *= (topology.cores or 1) * (topology.threads or 1)
        if product != count:
            raise InvalidArg(
                f"the CPU topology of domain '{dom.name}' has {product} vCPUs, not {count}",
                domain=ErrorDomain.QEMU,
            )
    placed = sum(len(numbers_in(cell.cpus)) for cell in dom.numa_cells if cell.cpus)
    if placed > count:
        raise InvalidArg(
            f"the NUMA cells of domain '{dom.name}' have {placed} vCPUs, more than {count}",
            domain=ErrorDomain.QEMU,
        )


def _forget_above(dom: Domain, count: int) -> None:
    """Takes out what is said of vCPUs that cannot be any more."""
    tune = dom.cputune
    tune.vcpupins = [pin for pin in tune.vcpupins if (pin.vcpu or 0) < count]
    for sched in tune.vcpuscheds:
        sched.vcpus = as_text(n for n in numbers_in(sched.vcpus or "") if n < count)
    tune.vcpuscheds = [sched for sched in tune.vcpuscheds if sched.vcpus]


def _forget_order(vcpus: Collection[SingleVcpu]) -> None:
    for vcpu in vcpus:
        vcpu.order = None
