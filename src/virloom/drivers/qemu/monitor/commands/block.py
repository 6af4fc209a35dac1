# SPDX-License-Identifier: Apache-2.0
"""Disks: what has been read and written, and how large their images are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest


class BlockCounters(NamedTuple):
    """What a disk has done; times in nanoseconds.

    Attributes:
        wr_highest_offset: The end of what was ever written, in bytes.
    """

    rd_bytes: int = 0
    wr_bytes: int = 0
    rd_operations: int = 0
    wr_operations: int = 0
    flush_operations: int = 0
    rd_total_time_ns: int = 0
    wr_total_time_ns: int = 0
    flush_total_time_ns: int = 0
    wr_highest_offset: int = 0


class BlockStats(NamedTuple):
    """The counters of a disk, and those of its image.

    Attributes:
        qdev: The device: its id, or its object path (:func:`belongs_to` compares).
        node: The name of the block node at its top.
        device: What the guest did.
        backing: By node name, the counters of every node below, the top one first.
    """

    qdev: str
    node: str
    device: BlockCounters
    backing: Mapping[str, BlockCounters]

    def belongs_to(self, alias: str) -> bool:
        """Whether this is the disk of the device with the id *alias*."""
        path = f"/machine/peripheral/{alias}"
        return self.qdev == alias or self.qdev == path or self.qdev.startswith(path + "/")


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


async def query_blockstats(monitor: Monitor) -> list[BlockStats]:
    """The counters of all disks."""
    answer = await monitor.execute("query-blockstats")
    with reading("query-blockstats"):
        return [_stats(disk) for disk in answer]


async def query_named_block_nodes(monitor: Monitor | RunningGuest) -> dict[str, BlockNode]:
    """All block nodes, by name; what lies below each is left out of the answer."""
    answer = await monitor.execute("query-named-block-nodes", {"flat": True})
    with reading("query-named-block-nodes"):
        return {node["node-name"]: _node(node) for node in answer}


def _stats(disk: Mapping[str, Any]) -> BlockStats:
    backing: dict[str, BlockCounters] = {}
    below: Mapping[str, Any] | None = disk
    while below is not None:
        if "node-name" in below:
            backing[str(below["node-name"])] = _counters(below["stats"])
        below = below.get("parent") or below.get("backing")
    return BlockStats(
        str(disk.get("qdev", "")),
        str(disk.get("node-name", "")),
        _counters(disk["stats"]),
        backing,
    )


def _counters(stats: Mapping[str, Any]) -> BlockCounters:
    return BlockCounters(*(int(stats.get(name, 0)) for name in BlockCounters._fields))


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
