# SPDX-License-Identifier: Apache-2.0
"""The status file of a binding: what a restarted daemon takes over, or cleans up after.

It is written before the kernel gets rules (the *intent*), again when they are there, and before
they are taken away. It is JSON, readable by a person, versioned, and replaced atomically; it
describes the current boot, so it is not forced to the disk.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from virloom.host.boot import boot_id
from virloom.host.files import write_atomic
from virloom.model.nwfilter import FilterBinding
from virloom.xml import parse_document

#: Raised whenever an older reader could misunderstand the file.
VERSION = 1

Stage = Literal["making", "active", "removing"]
_STAGES = ("making", "active", "removing")


class BindingRecord:
    """What the status file says.

    Attributes:
        path: The file.
        port: The port's name.
        index: The kernel's number of the link: another link of the same name has another one.
        boot_id: The boot in which it was made.
        stage: How far making or removing had come.
        document: The binding's document.
        learned: Addresses that were found out for good, without a lease.
    """

    def __init__(self, path: Path, port: str, index: int) -> None:
        self.path = path
        self.port = port
        self.index = index
        self.boot_id = boot_id()
        self.stage: Stage = "making"
        self.document = ""
        self.learned: list[str] = []

    def save(self) -> None:
        """Writes the file.

        Raises:
            SystemFailure: The disk is full, say; the former file is still there.
        """
        data = {key: value for key, value in self.__dict__.items() if key != "path"}
        text = json.dumps({"version": VERSION, **data}, indent=1)
        write_atomic(self.path, text.encode(), durable=False)

    @classmethod
    def load(cls, path: Path) -> BindingRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = json.loads(path.read_bytes())
            if data["version"] != VERSION:
                raise ValueError("another version")
            record = cls(path, str(data["port"]), int(data["index"]))
            record.boot_id = str(data["boot_id"])
            record.document = str(data["document"])
            record.learned = [str(address) for address in data["learned"]]
            if data["stage"] not in _STAGES:
                raise ValueError(f"the stage '{data['stage']}'")
            record.stage = data["stage"]
        except (KeyError, TypeError, ValueError) as exc:
            raise ValueError(f"'{path}' is not a binding's record: {exc!r}") from exc
        return record

    @property
    def is_of_this_boot(self) -> bool:
        """Whether what it tells of can still be there."""
        return self.boot_id == boot_id()

    def model(self) -> FilterBinding:
        """The binding's document, as it was completed.

        Raises:
            VirloomError: Somebody changed the file.
        """
        return parse_document(FilterBinding, self.document)

    def delete(self) -> None:
        """Removes the file; a missing one is no error."""
        self.path.unlink(missing_ok=True)
