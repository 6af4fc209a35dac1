# SPDX-License-Identifier: Apache-2.0
"""Status files: what a restarted daemon takes over of this boot, or cleans up after.

They are JSON, readable by a person, versioned, and replaced atomically. They describe the current
boot, so they are not forced to the disk, and a loss of power may leave empty ones.
"""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any, ClassVar

from virloom.host.boot import boot_id
from virloom.host.files import write_atomic

logger = logging.getLogger(__name__)

_UNSAID = ("path", "_removed")


class StatusFile:
    """A status file; the other attributes of its objects are what it says.

    Attributes:
        version: Raised whenever an older reader could misunderstand the file.
        path: The file.
        boot_id: The boot of which it tells.
    """

    version: ClassVar[int] = 1
    _removed = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boot_id = boot_id()

    @property
    def is_of_this_boot(self) -> bool:
        """Whether what it tells of can still be there."""
        return self.boot_id == boot_id()

    def said(self) -> dict[str, Any]:
        """What is written."""
        return {key: value for key, value in self.__dict__.items() if key not in _UNSAID}

    def save(self) -> None:
        """Writes the file, unless it was removed: who comes late brings nothing back.

        Raises:
            SystemFailure: The disk is full, say; the former file is still there.
        """
        if self._removed:
            return
        text = json.dumps({"version": self.version, **self.said()}, indent=1)
        write_atomic(self.path, text.encode(), durable=False, boot_only=True)

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """What a file says, without its version.

        Raises:
            ValueError: It is no object of JSON, or of a version that we do not know.
            OSError: It cannot be read.
        """
        data = json.loads(path.read_bytes())
        if not isinstance(data, dict) or data.pop("version", None) != cls.version:
            raise ValueError("another version")
        return data

    @staticmethod
    def sweep(directory: Path) -> None:
        """Removes files of an earlier boot of which a loss of power left nothing."""
        for path in directory.glob("*.json"):
            with contextlib.suppress(OSError):  # who reads it will say what is wrong
                if path.stat().st_size == 0:
                    logger.warning("'%s' is empty, as after a loss of power: removed", path)
                    path.unlink()

    def take(self, data: dict[str, Any]) -> None:
        """Takes what a file says where it is of the kind that is there."""
        for key, value in data.items():
            if key in self.__dict__ and isinstance(value, type(self.__dict__[key])):
                self.__dict__[key] = value

    def delete(self) -> None:
        """Removes the file for good; a missing one is no error."""
        self._removed = True
        self.path.unlink(missing_ok=True)
