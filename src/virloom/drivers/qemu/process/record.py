# SPDX-License-Identifier: Apache-2.0
"""The status file of a guest: all that is needed to take it over, or to clean up after it.

It is written before anything else is done (the *intent*: no process yet, but every resource that
the start will make), again with the process's identity, again when the guest runs, and whenever
what it says changes. It is JSON, readable by a person, and versioned.

The file is replaced atomically, but not forced to the disk: it describes processes and files of
the current boot, which do not outlive the loss of power that a sync would protect against.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from virloom.host.boot import boot_id
from virloom.host.files import write_atomic
from virloom.host.pidfd import ProcessIdentity

#: Raised whenever an older reader could misunderstand the file.
VERSION = 1

Stage = Literal["intent", "starting", "running", "stopping"]


class GuestRecord:
    """What the status file says.

    Attributes:
        path: The file.
        name, uuid, id: Of the domain.
        marker: Random; stands in the environment of this guest's processes and of no others.
        boot_id: The boot in which the guest was started.
        stage: How far start or stop had come.
        process: QEMU, once it has been spawned.
        persistent, autodestroy: Of the domain.
        directory: The guest's own directory, which holds the monitor's socket.
        monitor: The name of that socket in it.
        resources: What is to be undone at the end, in the form of :mod:`virloom.host.release`.
        document: The live document with secrets.
        state, reason: As libvirt numbers them.
        runtime: Numbers and names that must never change while the guest runs: vCPU threads,
            node names, descriptor sets, the log's offset.
    """

    def __init__(self, path: Path, name: str, uuid: str, id: int) -> None:
        self.path = path
        self.name = name
        self.uuid = uuid
        self.id = id
        self.marker = os.urandom(16).hex()
        self.boot_id = boot_id()
        self.stage: Stage = "intent"
        self.process: ProcessIdentity | None = None
        self.persistent = False
        self.autodestroy = False
        self.directory = ""
        self.monitor = "monitor.sock"
        self.resources: list[dict[str, Any]] = []
        self.document = ""
        self.state = 0
        self.reason = 0
        self.runtime: dict[str, Any] = {}

    def save(self) -> None:
        """Writes the file.

        Raises:
            SystemFailure: The disk is full, say; the former file is still there.
        """
        data = {key: value for key, value in self.__dict__.items() if key != "path"}
        data["process"] = self.process.to_json() if self.process else None
        text = json.dumps({"version": VERSION, **data}, indent=1)
        write_atomic(self.path, text.encode(), durable=False)

    @classmethod
    def load(cls, path: Path) -> GuestRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = json.loads(path.read_bytes())
            if data.pop("version") != VERSION:
                raise ValueError("another version")
            process = data.pop("process")
            record = cls(path, str(data["name"]), str(data["uuid"]), int(data["id"]))
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ValueError(f"'{path}' is not a guest's record: {exc}") from exc
        for key, value in data.items():
            if key in record.__dict__ and isinstance(value, type(record.__dict__[key])):
                record.__dict__[key] = value
        record.process = ProcessIdentity.from_json(process) if process else None
        return record

    def delete(self) -> None:
        """Removes the file; a missing one is no error."""
        self.path.unlink(missing_ok=True)
