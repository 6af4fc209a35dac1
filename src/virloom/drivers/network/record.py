# SPDX-License-Identifier: Apache-2.0
"""The status file of an active network: what a restarted daemon takes over, or cleans up after.

It is written before the host is changed (the *intent*), again when the network is active, and
whenever what it says changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from virloom.drivers.runtime.status_file import StatusFile

Stage = Literal["starting", "active", "stopping"]


class NetworkRecord(StatusFile):
    """What the status file says.

    Attributes:
        name, uuid: Of the network.
        stage: How far start or stop had come.
        document: The live document.
        runtime: What was made of the host for it, by the parts that made it.
        ports: Documents of the ports that are in use, by UUID.
    """

    def __init__(self, path: Path, name: str, uuid: str) -> None:
        super().__init__(path)
        self.name = name
        self.uuid = uuid
        self.stage: Stage = "starting"
        self.document = ""
        self.runtime: dict[str, Any] = {}
        self.ports: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path) -> NetworkRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = cls.read(path)
            record = cls(path, str(data["name"]), str(data["uuid"]))
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ValueError(f"'{path}' is not a network's record: {exc}") from exc
        record.take(data)
        return record
