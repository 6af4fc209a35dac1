# SPDX-License-Identifier: Apache-2.0
"""Whether other processes can see a guest's memory, which vhost-user devices need."""

from __future__ import annotations

from virloom.model.domain import Domain


def shares_memory(dom: Domain) -> bool:
    """Whether all of the guest's memory is shared: by ``<memoryBacking>``, or by every cell."""
    if dom.memory_backing.access.mode == "shared":
        return True
    cells = dom.cpu.numa.cells if dom.cpu is not None and dom.cpu.numa is not None else []
    return bool(cells) and all(cell.mem_access == "shared" for cell in cells)
