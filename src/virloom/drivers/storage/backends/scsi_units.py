# SPDX-License-Identifier: Apache-2.0
"""The disks behind a SCSI host of this machine, as the kernel tells of them in sysfs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import time
from collections.abc import Iterator
from typing import NamedTuple

from virloom.drivers.storage.blocks import stable_path
from virloom.drivers.storage.host import StorageHost
from virloom.errors import VirloomError
from virloom.host.uevents import Uevents, UeventsLost
from virloom.model.storage import Pool, Volume

#: ``HOST:CHANNEL:TARGET:UNIT``.
_ADDRESS = re.compile(r"(\d+):(\d+):(\d+):(\d+)\Z")
#: SCSI's types of devices that are storage: disks, and media drives.
_TYPES = ("0", "5")
#: Seconds that block devices, and links to them below ``/dev/disk``, may take.
_SETTLING = 10


class Unit(NamedTuple):
    """A logical unit.

    Attributes:
        name: ``unit:CHANNEL:TARGET:UNIT``.
        block: The kernel's name of its block device; empty before there is one.
    """

    name: str
    block: str


def units(host: StorageHost, number: int) -> list[Unit]:
    """The storage behind SCSI host *number*; by a thread.

    The kernel makes the block devices of new units by and by: they are waited for, though not long.
    """
    found = sorted(present_units(host, number))
    if not all(unit.block for unit in found):
        found = _awaited(host, number)
    return [unit for unit in found if unit.block]


def _awaited(host: StorageHost, number: int) -> list[Unit]:
    deadline = time.monotonic() + _SETTLING
    with contextlib.closing(Uevents()) as events:
        while True:
            found = sorted(present_units(host, number))
            left = deadline - time.monotonic()
            if all(unit.block for unit in found) or left <= 0:
                return found
            select.select([events], [], [], left)
            with contextlib.suppress(UeventsLost):
                events.read()


def present_units(host: StorageHost, number: int) -> Iterator[Unit]:
    """The storage behind SCSI host *number* as it is now, in no order; by a thread."""
    directory = host.path("/sys/bus/scsi/devices")
    for name in _names(str(directory)):
        address = _ADDRESS.match(name)
        if address is None or int(address[1]) != number:
            continue
        try:
            storage = (directory / name / "type").read_text().strip() in _TYPES
        except OSError:
            continue  # it has just gone
        if storage:
            block = next(iter(_names(str(directory / name / "block"))), "")
            yield Unit(f"unit:{address[2]}:{address[3]}:{address[4]}", block)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


async def unit_volumes(host: StorageHost, model: Pool, number: int) -> dict[str, Volume]:
    """The volumes of a pool that is a SCSI host: by the names that stay, below its target.

    What has no such name is left out, unless the target is ``/dev`` itself.
    """
    await host.run(["udevadm", "settle", f"--timeout={_SETTLING}"])
    volumes: dict[str, Volume] = {}
    for unit in await asyncio.to_thread(units, host, number):
        target, device = model.target.path or "", f"/dev/{unit.block}"
        path = await asyncio.to_thread(stable_path, target, device)
        if path == device and target.rstrip("/") != "/dev":
            continue  # it has no name there that would last
        try:
            volume = await host.device(path, unit.name)
        except VirloomError:
            continue  # a drive without a medium, or gone
        volume.key = await _serial(host, path)
        volumes[unit.name] = volume
    return volumes


async def _serial(host: StorageHost, path: str) -> str:
    """What the unit says of itself, which is the same wherever it is seen; else its path."""
    words = ["/lib/udev/scsi_id", "--replace-whitespace", "--whitelisted", "--device", path]
    done = await host.run(words)
    said = done.stdout.decode(errors="replace").strip()
    return said if done.returncode == 0 and said else path
