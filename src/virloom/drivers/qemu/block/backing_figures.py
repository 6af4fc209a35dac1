# SPDX-License-Identifier: Apache-2.0
"""What is told of the images behind a disk, and of the copy that a job writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.block.layers import layers_of, mirror_layers
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.block.figures import Figure
    from virloom.drivers.qemu.process.running import RunningGuest


def backing_figures(
    running: RunningGuest, disk: Disk, answers: dict[str, Any], number: int
) -> list[list[Figure]]:
    """For each image its figures.

    Args:
        answers: QEMU's, ``nodes`` and ``nodestats`` among them.
        number: Of the disk; the images have the ones after it.
    """
    nodes = {str(node["node-name"]): node for node in answers["nodes"]}
    written = {
        str(item.get("node-name")): int(item["stats"].get("wr_highest_offset", 0))
        for item in answers.get("nodestats", ())
    }
    layers = layers_of(running, disk)[1:]
    for job in running.blockjobs.values():
        if job.kind == "copy" and job.disk(running) is disk:
            layers += mirror_layers(disk, job.data["nodes"])
    told = []
    for place, layer in enumerate(layers, number + 1):
        prefix = f"block.{place}"
        figures: list[Figure] = [(f"{prefix}.name", "string", disk.target.dev or "")]
        if layer.path:
            figures.append((f"{prefix}.path", "string", layer.path))
        figures.append((f"{prefix}.backingIndex", "uint", layer.number))
        image = nodes.get(layer.node, {}).get("image")
        if image is not None:
            allocation = written.get(layer.storage, 0)
            figures.append((f"{prefix}.allocation", "ullong", allocation))
            figures.append((f"{prefix}.capacity", "ullong", int(image["virtual-size"])))
            if "actual-size" in image:
                figures.append((f"{prefix}.physical", "ullong", int(image["actual-size"])))
        told.append(figures)
    return told
