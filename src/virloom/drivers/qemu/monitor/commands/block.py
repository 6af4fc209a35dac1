# SPDX-License-Identifier: Apache-2.0
"""Images of disks, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest


class BlockNode(NamedTuple):
    """A named block node.

    Attributes:
        driver: ``raw``, ``qcow2``, ``file``, ``host_device``, ...
        virtual_size: Bytes that the guest sees.
        actual_size: Bytes allocated on the host; None where the driver cannot tell.
        writable: Whether it was opened for writing.
    """

    node: str
    driver: str
    file: str
    virtual_size: int
    actual_size: int | None
    writable: bool


async def query_named_block_nodes(monitor: Monitor | RunningGuest) -> dict[str, BlockNode]:
    """All block nodes, by name; what lies below each is left out of the answer."""
    answer = await monitor.execute("query-named-block-nodes", {"flat": True})
    with reading("query-named-block-nodes"):
        return {node["node-name"]: _node(node) for node in answer}


def _node(node: Mapping[str, Any]) -> BlockNode:
    image = node["image"]
    actual = image.get("actual-size")
    return BlockNode(
        str(node["node-name"]),
        str(node["drv"]),
        str(node["file"]),
        int(image["virtual-size"]),
        None if actual is None else int(actual),
        not node["ro"],
    )
