# SPDX-License-Identifier: Apache-2.0
"""The status file of an active pool: by it a restarted daemon finds what it has to go on with.

It is JSON, readable by a person, versioned, and replaced atomically; it describes the current
boot, so it is not forced to the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from virloom.host.boot import boot_id
from virloom.host.files import write_atomic

#: Raised whenever an older reader could misunderstand the file.
VERSION = 2
#: What is done to the pool: whoever finds another than ``active`` undoes it.
Phase = Literal["starting", "active", "stopping"]


class PoolRecord(NamedTuple):
    """What the status file says.

    Attributes:
        boot_id: The boot in which the pool was started.
        document: The live document.
        phase: What is being done to the pool.
        making: Names of volumes that are being made; whoever finds them removes them.
    """

    boot_id: str
    document: str
    phase: Phase = "active"
    making: tuple[str, ...] = ()

    @classmethod
    def now(cls, document: str, phase: Phase, making: Iterable[str] = ()) -> PoolRecord:
        """A record of this boot."""
        return cls(boot_id(), document, phase, tuple(making))

    def save(self, path: Path) -> None:
        """Writes the file.

        Raises:
            SystemFailure: The disk is full, say; the former file is still there.
        """
        text = json.dumps({"version": VERSION, **self._asdict()}, indent=1)
        write_atomic(path, text.encode(), durable=False)

    @classmethod
    def load(cls, path: Path) -> PoolRecord:
        """Reads a status file.

        Raises:
            ValueError: It is no record of a version that we know.
            OSError: It cannot be read.
        """
        try:
            data = json.loads(path.read_bytes())
            if data["version"] not in (1, VERSION):  # the first one knew active pools only
                raise ValueError("another version")
            phase = data.get("phase", "active")
            if phase not in get_args(Phase):
                raise ValueError(f"no phase '{phase}'")
            making = tuple(str(name) for name in data.get("making", ()))
            return cls(str(data["boot_id"]), str(data["document"]), cast(Phase, phase), making)
        except (KeyError, TypeError, ValueError) as exc:
            raise ValueError(f"'{path}' is not a pool's record: {exc}") from exc
