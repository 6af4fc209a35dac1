# SPDX-License-Identifier: Apache-2.0
"""LVM's programs, and what they report: volume groups, what they are made of, what is in them.

Reports are JSON (lvmreport(7)); numbers are bytes. The words of all programs are those that lvm(8)
documents; names that LVM could take for options never reach them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

#: lvm(8), "VALID NAMES"
_NAME = re.compile(r"[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,126}\Z")
#: ``/dev/vda(3)``: where a segment begins, in extents.
_PLACE = re.compile(r"(.+)\((\d+)\)\Z")
#: lvs(8): the first attribute of thin volumes.
_THIN = "V"
_REPORT = ("--reportformat", "json", "--units", "b", "--nosuffix")


class Segment(NamedTuple):
    """A part of a logical volume.

    Attributes:
        places: The devices, and on each the byte at which it begins.
        size: Bytes on all of them.
    """

    places: Sequence[tuple[str, int]]
    size: int


class LogicalVolume(NamedTuple):
    """A logical volume.

    Attributes:
        attributes: Ten letters (lvs(8)): the first is its type, the fifth its state.
        origin: The volume that it is a snapshot of; in brackets where that is hidden; or "".
        size: Bytes; of a snapshot, those that are set aside for what changes; of a thin volume,
            those of its pool that it occupies.
        tags: LVM keeps them beside the name.
    """

    name: str
    uuid: str
    attributes: str
    origin: str
    size: int
    tags: frozenset[str]
    segments: Sequence[Segment]


class Group(NamedTuple):
    """A volume group, and the devices that it is made of; one without a name has no group yet."""

    name: str
    devices: Sequence[str]


def check_name(name: str, what: str) -> str:
    """A name that LVM can give.

    Raises:
        InternalError: It would refuse it (libvirt's code for that), or take it for an option.
    """
    if not _NAME.match(name) or name in (".", ".."):
        raise InternalError(
            f"'{name[:80]}' cannot be the name of a {what}", domain=ErrorDomain.NONE
        )
    return name


async def groups(host: StorageHost) -> list[Group]:
    """All groups of the host, as its devices are found; the last may be that of unused devices.

    Raises:
        InternalError: LVM does not work here, with its words.
    """
    found: dict[str, list[str]] = {}
    for row in await _rows(host, "pv", ["pvs", *_REPORT, "--options", "pv_name,vg_name"]):
        found.setdefault(row["vg_name"], []).append(row["pv_name"])
    return [Group(name, found[name]) for name in sorted(found, key=lambda name: not name)]


async def sizes(host: StorageHost, group: str) -> tuple[int, int]:
    """Bytes that a group has, and those that are free.

    Raises:
        InternalError: There is no such group.
    """
    rows = await _rows(host, "vg", ["vgs", *_REPORT, "--options", "vg_size,vg_free", group])
    return int(rows[0]["vg_size"]), int(rows[0]["vg_free"])


async def logical_volumes(host: StorageHost, group: str) -> list[LogicalVolume]:
    """The volumes of a group, hidden ones left out.

    Raises:
        InternalError: There is no such group.
    """
    columns = (
        "lv_name,lv_uuid,lv_attr,origin,lv_size,data_percent,lv_tags,devices,seg_size,"
        "vg_extent_size,segtype"
    )
    volumes: dict[str, LogicalVolume] = {}
    for row in await _rows(host, "lv", ["lvs", *_REPORT, "--options", columns, group]):
        volume = volumes.setdefault(row["lv_name"], _volume(row))
        volumes[volume.name] = volume._replace(segments=[*volume.segments, _segment(row)])
    return list(volumes.values())


def _volume(row: dict[str, str]) -> LogicalVolume:
    tags = frozenset(row["lv_tags"].split(",")) - {""}
    size = int(row["lv_size"])
    if row["lv_attr"][0] == _THIN:
        size = round(size * float(row["data_percent"] or 0) / 100)
    return LogicalVolume(
        row["lv_name"], row["lv_uuid"], row["lv_attr"], row["origin"], size, tags, ()
    )


def _segment(row: dict[str, str]) -> Segment:
    extent, found = int(row["vg_extent_size"]), []
    for word in filter(None, row["devices"].split(",")):
        place = _PLACE.match(word)
        if place is not None:
            found.append((place[1], int(place[2]) * extent))
    return Segment(found, int(row["seg_size"]))


async def lvm(host: StorageHost, words: Sequence[str]) -> str:
    """What one of LVM's programs prints, which must succeed.

    Raises:
        InternalError: It would not, with its words.
        SystemFailure: It is not installed.
    """
    # It would complain of the claim that it inherits.
    return await host.output(["env", "LVM_SUPPRESS_FD_WARNINGS=1", *words])


async def _rows(host: StorageHost, kind: str, words: Sequence[str]) -> list[dict[str, Any]]:
    text = await lvm(host, words)
    try:
        return [row for report in json.loads(text)["report"] for row in report[kind]]
    except (KeyError, TypeError, ValueError) as exc:
        raise InternalError(
            f"the report of '{words[0]}' is not understood: {exc}", domain=ErrorDomain.STORAGE
        ) from exc
