# SPDX-License-Identifier: Apache-2.0
"""What has been done to the host and can be undone: interfaces brought up, changes begun.

Each is one file of JSON, replaced atomically and written before the host is touched.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from virloom.drivers.interface.completion import parse_interface
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError
from virloom.host.boot import boot_id
from virloom.host.files import ensure_directory, remove_temporaries, write_atomic
from virloom.model.interface import HostInterface
from virloom.xml import format_document

#: Raised whenever an older reader could misunderstand the files.
_VERSION = 1
_SUFFIX = ".json"


class Brought:
    """The interfaces that we have brought up in this boot, as they were then.

    Args:
        directory: Where; it does not outlive the boot.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, model: HostInterface, *, done: bool) -> None:
        """Writes one down, before it is touched and again when it is up."""
        ensure_directory(self._directory)
        said = {
            "version": _VERSION, "boot": boot_id(), "done": done,
            "document": format_document(model),
        }  # fmt: skip
        write_atomic(self._path(model.name or ""), _packed(said), durable=False)

    def forget(self, name: str) -> None:
        """It is down."""
        self._path(name).unlink(missing_ok=True)

    def find(self, name: str) -> HostInterface | None:
        """How it was brought up; None where it was not, or nobody knows."""
        found = _unpacked(self._path(name))
        if found is None or found.get("boot") != boot_id():
            return None
        try:
            return parse_interface(str(found.get("document")))
        except VirloomError:
            return None

    def unfinished(self) -> list[str]:
        """Those that a killed daemon was about to bring up."""
        if not self._directory.is_dir():
            return []
        remove_temporaries(self._directory)
        names = [path.name[: -len(_SUFFIX)] for path in self._directory.glob(f"*{_SUFFIX}")]
        return [name for name in names if not (_unpacked(self._path(name)) or {}).get("done")]

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{_SUFFIX}"


class Begun:
    """Changes that may be taken back: how all was when they were begun.

    Args:
        path: The file, which outlives the boot.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def open(self) -> bool:
        """Whether changes were begun and neither committed nor taken back."""
        return self._path.exists()

    def begin(self, files: dict[str, str], active: list[str]) -> None:
        """Writes down how it is now: the files of ours, and who is up."""
        ensure_directory(self._path.parent)
        said = {"version": _VERSION, "boot": boot_id(), "files": files, "active": active}
        write_atomic(self._path, _packed({**said, "undoing": False}))

    def undoing(self) -> None:
        """They are being taken back, from here on whoever finds this goes on with it."""
        write_atomic(self._path, _packed({**self._said(), "undoing": True}))

    def end(self) -> None:
        """They stay, or have been taken back."""
        self._path.unlink(missing_ok=True)

    @property
    def files(self) -> dict[str, str]:
        """The files as they were."""
        return dict(self._said().get("files", {}))

    @property
    def active(self) -> list[str]:
        """Who was up."""
        return list(self._said().get("active", ()))

    @property
    def forsaken(self) -> bool:
        """Whether nobody will end them: half taken back, or begun before the host booted."""
        if not self.open:
            return False
        said = self._said()
        return bool(said.get("undoing")) or said.get("boot") != boot_id()

    def _said(self) -> dict[str, Any]:
        """What the file says; half an answer would remove what it does not name."""
        found = _unpacked(self._path)
        if found is None or found.get("version") != _VERSION:
            raise InternalError(
                f"'{self._path}' does not say how the interfaces were",
                domain=ErrorDomain.INTERFACE,
                remedy="virsh iface-commit keeps them as they are",
            )
        return found


def _packed(said: dict[str, Any]) -> bytes:
    return (json.dumps(said, indent=1) + os.linesep).encode()


def _unpacked(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
