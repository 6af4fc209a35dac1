# SPDX-License-Identifier: Apache-2.0
"""Processor time: shares among guests, and limits of the guest and of its kinds of threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virloom.drivers.qemu.limits.start import THREADS
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.host.cgroup.backend import Bandwidth
from virloom.host.cgroup.group import GuestGroups
from virloom.model.domain import Domain

#: In libvirt's order.
KINDS: Mapping[str, str] = {
    "cpu_shares": "ullong",
    "vcpu_period": "ullong",
    "vcpu_quota": "llong",
    "emulator_period": "ullong",
    "emulator_quota": "llong",
    "global_period": "ullong",
    "global_quota": "llong",
    "iothread_period": "ullong",
    "iothread_quota": "llong",
}

#: What libvirt takes, in microseconds, and what the kernel takes as shares.
_PERIODS = (1000, 1000000)
_QUOTAS = (1000, 17592186044415)
_SHARES = (2, 262144)
#: What the kernel gives a group, and so threads of a kind of which there are none.
_UNLIMITED = Bandwidth(100000, -1)


def field_of(name: str) -> str:
    """The element of <cputune> that a parameter is."""
    return "shares" if name == "cpu_shares" else name.removeprefix("vcpu_")


def check_scheduler(values: Mapping[str, Any]) -> None:
    """Refuses what is beyond all limits.

    Raises:
        InvalidArg: Names the parameter and what it can be.
    """
    for name, value in values.items():
        if name != "cpu_shares" and value > 0:
            _within(name, value, _QUOTAS if name.endswith("quota") else _PERIODS)


def _within(name: str, value: int, limits: tuple[int, int]) -> None:
    low, high = limits
    if not low <= value <= high:
        raise InvalidArg(
            f"value of '{name}' is out of range [{low}, {high}]", domain=ErrorDomain.QEMU
        )


def said_scheduler(dom: Domain) -> dict[str, int]:
    """What a document says; 0 for nothing."""
    return {name: getattr(dom.cputune, field_of(name)) or 0 for name in KINDS}


def set_scheduler(dom: Domain, values: Mapping[str, Any]) -> None:
    """Changes a document that no guest runs with; 0 takes a value away.

    Raises:
        InvalidArg: No guest could start with such shares.
    """
    for name, value in values.items():
        if name == "cpu_shares" and value:
            _within(name, value, _SHARES)
        setattr(dom.cputune, field_of(name), value or None)


def present_scheduler(groups: GuestGroups) -> dict[str, int]:
    """What a running guest is kept to.

    Raises:
        OperationInvalid: The host has no such groups for it.
    """
    place = groups.place("cpu")
    found = {"cpu_shares": place.backend.shares(place.directory)}
    found |= _named("global_", place.backend.bandwidth(place.directory))
    for prefix, kind in THREADS.items():
        directories = groups.threads_of("cpu", kind)
        limit = place.backend.bandwidth(directories[0]) if directories else _UNLIMITED
        found |= _named(prefix or "vcpu_", limit)
    return found


def _named(prefix: str, limit: Bandwidth) -> dict[str, int]:
    return {f"{prefix}period": limit.period, f"{prefix}quota": limit.quota}


def limit_scheduler(groups: GuestGroups, name: str, value: int) -> int | None:
    """Changes one parameter of a running guest.

    Returns:
        What it is now; None where nothing is to be changed: a period or quota of 0.

    Raises:
        InvalidArg: Shares beyond what the kernel takes.
        SystemFailure: The kernel refuses: a part would have more than the whole.
    """
    place = groups.place("cpu")
    if name == "cpu_shares":
        place.backend.set_shares(place.directory, value)
        return place.backend.shares(place.directory)
    if not value:
        return None
    period, quota = (None, value) if name.endswith("quota") else (value, None)
    prefix = field_of(name).removesuffix("period").removesuffix("quota")
    if prefix == "global_":
        directories = [place.directory]
    else:
        directories = groups.threads_of("cpu", THREADS[prefix])
    for directory in directories:
        place.backend.set_bandwidth(directory, period, quota)
    return value
