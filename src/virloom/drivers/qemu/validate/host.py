# SPDX-License-Identifier: Apache-2.0
"""Checks at a start of what the document wants of the host."""

from __future__ import annotations

from pathlib import Path

from virloom.errors import ConfigUnsupported
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain

_NODES = Path("/sys/devices/system/node")


def check_host_nodes(dom: Domain, nodes: Path = _NODES) -> None:
    """That the host has every node that the guest's memory is to lie on.

    Args:
        nodes: Where the kernel lists them.

    Raises:
        ConfigUnsupported: It has not; names it.
    """
    tune = dom.numatune
    wanted = [tune.memory.nodeset, *(node.nodeset for node in tune.memnodes)]
    for nodeset in filter(None, wanted):
        for number in numbers_in(nodeset):
            # A kernel without NUMA lists none, and has node 0.
            if number and not (nodes / f"node{number}").exists():
                raise ConfigUnsupported(f"NUMA node {number} is not there on this host")
