# SPDX-License-Identifier: Apache-2.0
"""``qemu-lockd.conf``: what is locked for a disk, with libvirt's names and defaults."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from virloom.drivers.runtime.settings import read_settings
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

logger = logging.getLogger(__name__)

#: Keys that have a path.
_PATHS = ("file_lockspace_dir", "lvm_lockspace_dir", "scsi_lockspace_dir")
#: Keys that have 0 or 1.
_FLAGS = ("auto_disk_leases", "require_lease_for_disks")


class LockdConfig:
    """What the file says.

    Attributes:
        auto_disk_leases: 1: each file or block device that a guest may write to is locked; 0: only
            what ``<lease>`` names.
        require_lease_for_disks: Whether a guest that writes to disks of its own needs a
            ``<lease>``; 1 where ``auto_disk_leases`` is 0 and nothing is said.
        file_lockspace_dir: A directory, best on a file system that all hosts share: a file with the
            SHA-256 of the image's path is locked there, not the image; empty: the images.
        lvm_lockspace_dir: The same for logical volumes (paths below ``/dev``), by the UUID that
            ``lvs`` tells.
        scsi_lockspace_dir: The same for SCSI devices (likewise), by what ``/lib/udev/scsi_id``
            tells.
    """

    def __init__(self) -> None:
        self.auto_disk_leases = True
        self.require_lease_for_disks = False
        self.file_lockspace_dir = ""
        self.lvm_lockspace_dir = ""
        self.scsi_lockspace_dir = ""

    @classmethod
    def load(cls, path: Path) -> LockdConfig:
        """The configuration in *path*; the defaults where there is no such file.

        Raises:
            ConfSyntax: It is malformed, or a value has the wrong type.
            SystemFailure: It cannot be read.
        """
        config, settings = cls(), read_settings(path)
        for name, value in settings.items():
            if name in _FLAGS:
                if value not in (0, 1):
                    raise _wrong(path, name, "0 or 1", value)
                setattr(config, name, bool(value))
            elif name in _PATHS:
                if not isinstance(value, str) or not value.startswith("/"):
                    raise _wrong(path, name, "an absolute path", value)
                setattr(config, name, value)
            else:
                logger.info("%s: '%s' has no meaning here", path, name)
        if "require_lease_for_disks" not in settings:
            config.require_lease_for_disks = not config.auto_disk_leases
        return config

    def spaces(self) -> list[str]:
        """The directories that virtlockd has to know of."""
        found = (getattr(self, name) for name in _PATHS)
        return list(dict.fromkeys(path for path in found if path))


def _wrong(path: Path, name: str, wanted: str, value: object) -> ConfSyntax:
    return ConfSyntax(
        f"{os.fspath(path)}: {name} must be {wanted}, not {value!r}", domain=ErrorDomain.CONF
    )
