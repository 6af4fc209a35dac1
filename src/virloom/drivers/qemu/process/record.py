# SPDX-License-Identifier: Apache-2.0
"""The status file of a guest: all that is needed to take it over, or to clean up after it.

It is written before anything else is done (the *intent*: no process yet, but every resource that
the start will make), again with the process's identity, again when the guest runs, and whenever
what it says changes. It is JSON, readable by a person, and versioned.

The file is replaced atomically, but not forced to the disk: it describes processes and files of
the current boot, which do not outlive the loss of power that a sync would protect against.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from virloom.drivers.runtime.status_file import StatusFile
from virloom.host.pidfd import ProcessIdentity

Stage = Literal["intent", "starting", "running", "stopping"]


class GuestRecord(StatusFile):
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
        super().__init__(path)
        self.name = name
        self.uuid = uuid
        self.id = id
        self.marker = os.urandom(16).hex()
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

    def said(self) -> dict[str, Any]:
        return {**super().said(), "process": self.process.to_json() if self.process else None}

    @property
    def lent(self) -> list[dict[str, Any]]:
        """Those of the resources that are devices which the host gets back, as they were."""
        return [one for one in self.resources if one["kind"] in ("pci", "function")]

    @classmethod
    def load(cls, path: Path) -> GuestRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = cls.read(path)
            process = data.pop("process")
            record = cls(path, str(data["name"]), str(data["uuid"]), int(data["id"]))
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ValueError(f"'{path}' is not a guest's record: {exc}") from exc
        record.take(data)
        record.process = ProcessIdentity.from_json(process) if process else None
        return record
