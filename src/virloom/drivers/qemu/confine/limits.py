# SPDX-License-Identifier: Apache-2.0
"""How much of the host QEMU may take: resource limits, and the nodes of its memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain

Limits = dict[str, tuple[int, int]]

#: libvirt's greatest memory parameter in bytes, which it sets for memory that is locked.
UNLIMITED = 9007199254740991

_KIB = 1024
_GIB_IN_KIB = 1 << 20

#: linux/mempolicy.h, by the modes of <numatune>; what is merely restrictive is the cgroup's.
_POLICIES = {"preferred": 1, "strict": 2, "interleave": 3}


def limits_of(config: QemuConfig, dom: Domain) -> Limits:
    """The resource limits of a guest, soft and hard, by name without ``RLIMIT_``."""
    core = -1 if config.max_core == "unlimited" else int(config.max_core)
    limits: Limits = {"CORE": (core, core)}
    if config.max_processes:
        limits["NPROC"] = (config.max_processes,) * 2
    if config.max_files:
        # As libvirt: RLIMIT_NOFILE is one more than the greatest number.
        limits["NOFILE"] = (config.max_files + 1,) * 2
    locked = locked_memory(dom)
    if locked is not None:
        limits["MEMLOCK"] = (locked, locked)
    return limits


def locked_memory(dom: Domain) -> int | None:
    """Bytes that QEMU may have to lock, as libvirt 9 reckons; None leaves the host's limit."""
    hard = dom.memtune.hard_limit
    if hard is not None and hard * _KIB < UNLIMITED:
        return hard * _KIB
    if dom.memory_backing.locked:
        return UNLIMITED
    passed = sum(hostdev.type in ("pci", "mdev") for hostdev in passed_on(dom))
    passed += sum(interface.type == "vdpa" for interface in dom.devices.interfaces)
    if not passed:
        return None
    # A device sees all of memory, and its own registers; behind a guest's IOMMU each has a view.
    views = passed if dom.devices.iommus else 1
    return (views * (dom.memory or 0) + _GIB_IN_KIB) * _KIB


def memory_policy(
    dom: Domain, present: Iterable[int], *, grouped: bool = False
) -> tuple[int, Sequence[int]] | None:
    """Where QEMU's own memory comes from (set_mempolicy(2)); None leaves it to the host.

    Args:
        present: The host's nodes that have memory.
        grouped: The guest is in a group that is strict about nodes, and can be told others later.

    Raises:
        ConfigUnsupported: A node is not there, or more than one is preferred.
    """
    tune = dom.numatune.memory
    if tune.nodeset is None or tune.placement == "auto":
        return None
    policy = _POLICIES.get(tune.mode or "strict")
    if policy is None:
        return None
    nodes = sorted(numbers_in(tune.nodeset))
    missing = set(nodes) - set(present)
    if missing:
        raise ConfigUnsupported(
            f"domain '{dom.name}' wants memory of NUMA node {min(missing)}, which is not there",
            domain=ErrorDomain.NONE,
        )
    if tune.mode == "preferred" and len(nodes) > 1:
        raise ConfigUnsupported(
            f"domain '{dom.name}' prefers {len(nodes)} NUMA nodes, and can prefer one",
            domain=ErrorDomain.NONE,
        )
    return None if grouped and (tune.mode or "strict") == "strict" else (policy, nodes)
