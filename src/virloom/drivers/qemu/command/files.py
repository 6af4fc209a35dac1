# SPDX-License-Identifier: Apache-2.0
"""What must be open before QEMU starts."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.attached import attached_files
from virloom.drivers.qemu.command.boot import boot_files
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.command.disk import disk_files
from virloom.drivers.qemu.command.firmware import firmware_files
from virloom.drivers.qemu.command.hostdev import hostdev_files
from virloom.drivers.qemu.command.memory_devices import memory_files
from virloom.drivers.qemu.command.ports import port_files
from virloom.drivers.qemu.command.rng import rng_files
from virloom.drivers.qemu.command.sysinfo import sysinfo_files
from virloom.model.domain import Domain


def plan_files(
    dom: Domain, chains: Mapping[str, tuple[ImageLayer, ...]] | None = None
) -> list[FileRequest]:
    """The files that the launcher opens and hands to :func:`~.builder.build` by their keys.

    Sockets are not among them.

    Args:
        dom: The complete domain, aliases included.
        chains: Backing chain by alias of its disk; needed for every image that is not raw.
    """
    requests = boot_files(dom)
    requests += firmware_files(dom)
    requests += disk_files(dom, chains or {})
    requests += port_files(dom)
    requests += rng_files(dom)
    requests += sysinfo_files(dom)
    requests += memory_files(dom)
    requests += attached_files(dom)
    requests += hostdev_files(dom)
    return requests
