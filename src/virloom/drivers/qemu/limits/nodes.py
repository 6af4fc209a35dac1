# SPDX-License-Identifier: Apache-2.0
"""The host's nodes that a guest takes its memory from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virloom.drivers.qemu.limits.start import check_nodes
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.host.cgroup.group import GuestGroups
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Domain

KINDS: Mapping[str, str] = {"numa_mode": "int", "numa_nodeset": "string"}

#: In the order of libvirt's numbers (``virDomainNumatuneMemMode``).
MODES = ("strict", "preferred", "interleave", "restrictive")


def parsed(values: Mapping[str, Any]) -> dict[str, str]:
    """The mode and the nodes that are given, as documents have them.

    Raises:
        InvalidArg: There is no such mode, or it is no set of nodes.
    """
    found = {}
    if "numa_mode" in values:
        number = values["numa_mode"]
        if not 0 <= number < len(MODES):
            raise InvalidArg(f"unsupported numatune mode: '{number}'", domain=ErrorDomain.QEMU)
        found["mode"] = MODES[number]
    if "numa_nodeset" in values:
        nodes = numbers_in(values["numa_nodeset"])
        if not nodes:
            raise InvalidArg(
                f"'{values['numa_nodeset']}' leaves the guest no node", domain=ErrorDomain.QEMU
            )
        found["nodeset"] = as_text(nodes)
    return found


def said_nodes(dom: Domain) -> dict[str, Any]:
    """What a document says."""
    memory = dom.numatune.memory
    nodes = "" if memory.nodeset is None else as_text(numbers_in(memory.nodeset))
    return {"numa_mode": MODES.index(memory.mode or "strict"), "numa_nodeset": nodes}


def set_nodes(dom: Domain, values: Mapping[str, str]) -> None:
    """Changes a document."""
    memory = dom.numatune.memory
    memory.mode = values.get("mode", memory.mode or "strict")
    if "nodeset" in values:
        memory.nodeset = values["nodeset"]
        memory.placement = None


def check_live_nodes(dom: Domain, values: Mapping[str, str]) -> None:
    """Refuses what cannot be changed of a guest that runs.

    Raises:
        OperationInvalid: The mode, or the nodes where QEMU was told of them as well.
        ConfigUnsupported: The host has no such node.
    """
    mode = dom.numatune.memory.mode or "strict"
    if values.get("mode", mode) != mode:
        raise OperationInvalid(
            "can't change numatune mode for running domain", domain=ErrorDomain.QEMU
        )
    if "nodeset" in values:
        if mode != "restrictive":
            raise OperationInvalid(
                f"the nodes of a running domain can be changed in mode 'restrictive', not '{mode}'",
                domain=ErrorDomain.QEMU,
            )
        check_nodes(numbers_in(values["nodeset"]))


def limit_nodes(groups: GuestGroups, nodes: str) -> None:
    """Keeps all threads of a running guest to these nodes.

    Raises:
        OperationInvalid: The host has no such groups for it.
        SystemFailure: The kernel refuses.
    """
    place = groups.place("cpuset")
    for kind in ("emulator", "vcpu", "iothread"):
        for directory in groups.threads_of("cpuset", kind):
            place.backend.set_nodes(directory, nodes)
