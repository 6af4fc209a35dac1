# SPDX-License-Identifier: Apache-2.0
"""File systems are mounted and unmounted, by mount(8) and umount(8); what is mounted says the
kernel.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

from virloom.drivers.storage.host import StorageHost
from virloom.model.storage import Pool

#: What no pool's file system may have (libvirt's default).
_SAFE = ("nodev", "nosuid", "noexec")
#: proc(5): blanks and the like are octal in mount tables.
_OCTAL = re.compile(r"\\([0-7]{3})")


def options(model: Pool) -> list[str]:
    """The options of a pool's mount: libvirt's, and those of ``<fs:mount_opts>``."""
    given = (option.name for option in model.mount_options.options)
    return [*_SAFE, *(name for name in given if name)]


async def mounted(host: StorageHost, source: str, target: str) -> bool:
    """Whether *source* is mounted at *target*, by whatever names."""
    table = host.path("/proc/self/mounts")
    return await asyncio.to_thread(_mounted, table, source, target)


def _mounted(table: Path, source: str, target: str) -> bool:
    wanted = (os.path.realpath(source), os.path.realpath(target))
    for line in table.read_text(errors="surrogateescape").splitlines():
        device, place = (_plain(word) for word in line.split(" ")[:2])
        if place in (target, wanted[1]) and os.path.realpath(device) == wanted[0]:
            return True
    return False


def _plain(word: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), word)


async def mount(
    host: StorageHost, source: str, target: str, form: str, with_options: Sequence[str]
) -> None:
    """Mounts *source* at *target*, unless it is there already.

    Args:
        form: For ``-t``; ``auto`` leaves it to mount(8).

    Raises:
        InternalError: mount(8) would not, with its words.
    """
    if not await mounted(host, source, target):
        words = ["mount", "-o", ",".join(with_options), "-t", form, source, target]
        await host.output(words)


async def unmount(host: StorageHost, source: str, target: str) -> None:
    """Unmounts *source* from *target*, as long as it is there.

    Raises:
        InternalError: umount(8) would not: it is in use.
    """
    while await mounted(host, source, target):
        await host.output(["umount", target])
