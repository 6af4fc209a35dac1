# SPDX-License-Identifier: Apache-2.0
"""The status file of a binding: what a restarted daemon takes over, or cleans up after.

It is written before the kernel gets rules (the *intent*), again when they are there, and before
they are taken away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from virloom.drivers.runtime.status_file import StatusFile
from virloom.model.nwfilter import FilterBinding
from virloom.xml import parse_document

Stage = Literal["making", "active", "removing"]
_STAGES = ("making", "active", "removing")


class BindingRecord(StatusFile):
    """What the status file says.

    Attributes:
        port: The port's name.
        index: The kernel's number of the link: another link of the same name has another one.
        stage: How far making or removing had come.
        document: The binding's document.
        learned: Addresses that were found out for good, without a lease.
    """

    def __init__(self, path: Path, port: str, index: int) -> None:
        super().__init__(path)
        self.port = port
        self.index = index
        self.stage: Stage = "making"
        self.document = ""
        self.learned: list[str] = []

    @classmethod
    def load(cls, path: Path) -> BindingRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = cls.read(path)
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

    def model(self) -> FilterBinding:
        """The binding's document, as it was completed.

        Raises:
            VirloomError: Somebody changed the file.
        """
        return parse_document(FilterBinding, self.document)
