# SPDX-License-Identifier: Apache-2.0
"""Defaults of directories that the guest shares with the host."""

from __future__ import annotations

from virloom.model.domain import Domain, FilesystemBinary


def fill_filesystems(dom: Domain) -> None:
    """Kind and access mode, and nothing of the drivers that are not asked for."""
    for filesystem in dom.devices.filesystems:
        filesystem.type = filesystem.type or "mount"
        if filesystem.accessmode is None and filesystem.source.socket is None:
            filesystem.accessmode = "passthrough"
        if filesystem.multidevs == "default":
            filesystem.multidevs = None
        if filesystem.driver.type != "virtiofs":
            filesystem.binary = FilesystemBinary()
            filesystem.driver.queue = None
