# SPDX-License-Identifier: Apache-2.0
"""What the service says, and whether anything failed."""

from __future__ import annotations

import sys

from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import ConnectListAllDomainsFlags
from virloom.errors import VirloomError


class Report:
    """Lines on standard output, failures on standard error and in the exit code."""

    def __init__(self) -> None:
        self.failed = False

    def say(self, words: str, *, end: str = "\n") -> None:
        """A line, or with *end* the beginning of one."""
        print(words, end=end, flush=True)

    def fail(self, doing: str, error: VirloomError) -> None:
        """Something could not be done."""
        self.failed = True
        print(f"error: {doing}: {error.message}", file=sys.stderr, flush=True)

    def unreachable(self, uri: str, error: VirloomError) -> None:
        """A connection cannot be opened: no failure, its guests cannot be there either."""
        print(f"'{uri}' is left out: {error.message}", file=sys.stderr, flush=True)


async def running(connection: Connection, flags: int = 0) -> list[Domain]:
    """The guests that run, the one that was started first before others."""
    active = ConnectListAllDomainsFlags.ACTIVE
    return sorted(await connection.list_all_domains(active | flags), key=lambda guest: guest.id)


def uri_of(name: str) -> str | None:
    """What to open for a word of URIS."""
    return None if name == "default" else name
