# SPDX-License-Identifier: Apache-2.0
"""Figures of disks: what was read and written, and how large their images are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virloom.drivers.qemu.block.backing_figures import backing_figures
from virloom.drivers.qemu.block.sizes import capacity_of, image_size
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.errors import VirloomError
from virloom.model.domain import Disk, Domain

#: A figure: name, libvirt's type of it, value.
Figure = tuple[str, str, int | str]

#: Typed parameters of ``virDomainBlockStatsFlags`` and QEMU's names of them (qapi/block-core.json).
BLOCK_PARAMETERS = (
    ("rd_operations", "rd_operations"),
    ("rd_bytes", "rd_bytes"),
    ("rd_total_times", "rd_total_time_ns"),
    ("wr_operations", "wr_operations"),
    ("wr_bytes", "wr_bytes"),
    ("wr_total_times", "wr_total_time_ns"),
    ("flush_operations", "flush_operations"),
    ("flush_total_times", "flush_total_time_ns"),
)

_BLOCK_BULK = (
    ("rd.reqs", "rd_operations"),
    ("rd.bytes", "rd_bytes"),
    ("rd.times", "rd_total_time_ns"),
    ("wr.reqs", "wr_operations"),
    ("wr.bytes", "wr_bytes"),
    ("wr.times", "wr_total_time_ns"),
    ("fl.reqs", "flush_operations"),
    ("fl.times", "flush_total_time_ns"),
)


def block(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    """The figures of every disk, and of every image behind it where QEMU has told of its nodes.

    Args:
        answers: Those of ``query-blockstats`` and ``query-block``; a disk of which QEMU has said
            nothing has only its name and its path.
    """
    if guest.running is None:
        return _images_at_rest(guest)
    disks = guest.running.model.devices.disks
    if not disks:
        return []
    figures: list[Figure] = []
    number = 0
    stats, images = _by_alias(answers.get("blockstats", ())), _by_alias(answers.get("block", ()))
    for disk in disks:
        alias = alias_of(disk)
        image = images.get(alias, {}).get("inserted", {}).get("image", {})
        figures += _disk_figures(f"block.{number}", disk, stats.get(alias, {}), image)
        if "nodes" in answers:
            behind = backing_figures(guest.running, disk, answers, number)
            figures += [figure for layer in behind for figure in layer]
            number += len(behind)
        number += 1
    return [("block.count", "uint", number), *figures]


def _disk_figures(
    prefix: str, disk: Disk, stats: dict[str, Any], image: dict[str, Any]
) -> Iterator[Figure]:
    yield f"{prefix}.name", "string", disk.target.dev or ""
    path = image_path(disk)
    if path:
        yield f"{prefix}.path", "string", path
    if disk.source.index is not None:
        yield f"{prefix}.backingIndex", "uint", disk.source.index
    if stats:
        for name, key in _BLOCK_BULK:
            yield f"{prefix}.{name}", "ullong", int(stats["stats"][key])
    for name, value in _sizes(stats, image).items():
        yield f"{prefix}.{name}", "ullong", value


def _sizes(stats: dict[str, Any], image: dict[str, Any]) -> dict[str, int]:
    """Highest byte written, size that the guest sees, and bytes on the host's disk."""
    sizes: dict[str, int] = {}
    if not image:  # an empty drive
        return sizes
    if stats:
        parent = stats.get("parent", stats)["stats"]
        sizes["allocation"] = int(parent.get("wr_highest_offset", 0))
    sizes["capacity"] = int(image["virtual-size"])
    if "actual-size" in image:
        sizes["physical"] = int(image["actual-size"])
    return sizes


def _images_at_rest(guest: Guest) -> list[Figure]:
    """Of a domain that is shut off: its disks are looked for once, their images each time."""
    if guest.definition is None:
        return []
    disks = guest.definition.fact("disks", _named_images)
    if not disks:
        return []
    figures: list[Figure] = [("block.count", "uint", len(disks))]
    for number, (name, path, image_format) in enumerate(disks):
        prefix = f"block.{number}"
        figures.append((f"{prefix}.name", "string", name))
        if path:
            figures.append((f"{prefix}.path", "string", path))
        figures += _image_at_rest(prefix, path, image_format)
    return figures


def _named_images(model: Domain) -> list[tuple[str, str | None, str | None]]:
    """Target, path and format of each disk."""
    return [
        (disk.target.dev or "", image_path(disk), disk.driver.type) for disk in model.devices.disks
    ]


def _image_at_rest(prefix: str, path: str | None, image_format: str | None) -> list[Figure]:
    """The sizes of an image that no guest has open; none of one that cannot be looked at."""
    if not path:
        return []
    try:
        allocation, physical = image_size(path)
        capacity = capacity_of(path, image_format)
    except (OSError, VirloomError):
        return []
    return [
        (f"{prefix}.allocation", "ullong", allocation),
        (f"{prefix}.capacity", "ullong", capacity),
        (f"{prefix}.physical", "ullong", physical),
    ]


def _by_alias(items: Any) -> dict[str, dict[str, Any]]:
    """QEMU's items by the alias of the disk."""
    return {device_of(str(item.get("qdev", ""))): item for item in items}


def device_of(qdev: str) -> str:
    """The alias in a QOM path: ``/machine/peripheral/virtio-disk0/virtio-backend``."""
    parts = [part for part in qdev.split("/") if part]
    if "peripheral" in parts:
        return parts[parts.index("peripheral") + 1]
    return qdev


def block_sizes(answers: dict[str, Any], alias: str) -> dict[str, int]:
    """Highest byte written, size that the guest sees, and bytes on the host's disk."""
    stats = _by_alias(answers.get("blockstats", ())).get(alias, {})
    inserted = _by_alias(answers.get("block", ())).get(alias, {}).get("inserted", {})
    return _sizes(stats, inserted.get("image", {}))


def block_total(answers: dict[str, Any], wanted: list[str]) -> dict[str, int]:
    """The counters of the disks with these aliases, or of all, added up."""
    total = {key: 0 for _, key in BLOCK_PARAMETERS}
    for alias, item in _by_alias(answers.get("blockstats", ())).items():
        if not wanted or alias in wanted:
            for key in total:
                total[key] += int(item["stats"][key])
    return total
