# SPDX-License-Identifier: Apache-2.0
"""The status file of an active network: what a restarted daemon takes over, or cleans up after.

It is written before the host is changed (the *intent*), again when the network is active, and
whenever what it says changes. It is JSON, readable by a person, versioned, and replaced
atomically; it describes the current boot, so it is not forced to the disk.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from virloom.host.boot import boot_id
from virloom.host.files import write_atomic

#: Raised whenever an older reader could misunderstand the file.
VERSION = 1

Stage = Literal["starting", "active", "stopping"]


class NetworkRecord:
    """What the status file says.

    Attributes:
        path: The file.
        name, uuid: Of the network.
        boot_id: The boot in which it was started.
        stage: How far start or stop had come.
        document: The live document.
        runtime: What was made of the host for it, by the parts that made it.
        ports: Documents of the ports that are in use, by UUID.
    """

    def __init__(self, path: Path, name: str, uuid: str) -> None:
        self.path = path
        self.name = name
        self.uuid = uuid
        self.boot_id = boot_id()
        self.stage: Stage = "starting"
        self.document = ""
        self.runtime: dict[str, Any] = {}
        self.ports: dict[str, str] = {}

    def save(self) -> None:
        """Writes the file.

        Raises:
            SystemFailure: The disk is full, say; the former file is still there.
        """
        data = {key: value for key, value in self.__dict__.items() if key != "path"}
        text = json.dumps({"version": VERSION, **data}, indent=1)
        write_atomic(self.path, text.encode(), durable=False)

    @classmethod
    def load(cls, path: Path) -> NetworkRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = json.loads(path.read_bytes())
            if data.pop("version") != VERSION:
                raise ValueError("another version")
            record = cls(path, str(data["name"]), str(data["uuid"]))
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ValueError(f"'{path}' is not a network's record: {exc}") from exc
        for key, value in data.items():
            if key in record.__dict__ and isinstance(value, type(record.__dict__[key])):
                record.__dict__[key] = value
        return record

    def delete(self) -> None:
        """Removes the file; a missing one is no error."""
        self.path.unlink(missing_ok=True)
