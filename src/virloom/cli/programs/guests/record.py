# SPDX-License-Identifier: Apache-2.0
"""What the service remembers between two boots: which guests ran, and whether it is started."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from virloom.host.files import write_atomic


class Ran(NamedTuple):
    """The guests of one connection that ran when the host went down."""

    uri: str
    uuids: tuple[str, ...]


class Record:
    """The files of the service.

    Args:
        root: What the host's paths are below.
    """

    def __init__(self, root: Path) -> None:
        self.list = root / "var/lib/libvirt/libvirt-guests"
        self.lock = root / "var/lock/libvirt-guests"

    @property
    def kept(self) -> bool:
        """Whether guests are remembered; their host has not come up since."""
        return self.list.exists()

    @property
    def started(self) -> bool:
        """Whether the service was started and not stopped since."""
        return self.lock.exists()

    def read(self) -> list[Ran]:
        """What is remembered: a line has the URI, then the UUIDs."""
        lines = [line.split() for line in self.list.read_text().splitlines()]
        return [Ran(words[0], tuple(words[1:])) for words in lines if words]

    def keep(self, ran: list[Ran]) -> None:
        """Remembers guests; nothing is left where there are none."""
        if not ran:
            self.forget()
            return
        self.list.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{' '.join([one.uri, *one.uuids])}\n" for one in ran)
        write_atomic(self.list, text.encode(), mode=0o644)

    def forget(self) -> None:
        """Remembers no guest."""
        self.list.unlink(missing_ok=True)

    def mark_started(self) -> None:
        """From here on the service counts as started."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.lock.touch()

    def mark_stopped(self) -> None:
        """From here on it does not."""
        self.lock.unlink(missing_ok=True)
