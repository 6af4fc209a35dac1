# SPDX-License-Identifier: Apache-2.0
"""``/etc/default/libvirt-guests``: libvirt's names, assignments as a shell writes them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

#: Where distributions have the file; the first that is there counts.
PLACES = ("etc/default/libvirt-guests", "etc/sysconfig/libvirt-guests")

_NUMBERS = ("START_DELAY", "PARALLEL_SHUTDOWN", "SHUTDOWN_TIMEOUT", "BYPASS_CACHE", "SYNC_TIME")


class GuestSettings(NamedTuple):
    """What is to be done with guests when the host goes down and comes up.

    Attributes:
        uris: The connections to look at; ``default`` is the host's own.
        start_on_boot: Whether those that ran are started again.
        start_delay: Seconds between two starts.
        suspend: Whether they are saved rather than shut down.
        parallel: How many are shut down at once; 0: one after the other.
        timeout: Seconds that a guest gets, or all of a URI where they are shut down at once; 0:
            any time.
        bypass_cache: Whether saved states go past the host's page cache.
        sync_time: Whether the clock of a restored guest is set by its agent.
    """

    uris: tuple[str, ...] = ("default",)
    start_on_boot: bool = False
    start_delay: int = 0
    suspend: bool = False
    parallel: int = 0
    timeout: int = 300
    bypass_cache: bool = False
    sync_time: bool = False

    @classmethod
    def load(cls, root: Path) -> GuestSettings:
        """What the file of the host below *root* says; the defaults where there is none.

        Raises:
            ConfSyntax: A line is no assignment, or a number is none: with file and line.
        """
        path = next((root / name for name in PLACES if (root / name).exists()), None)
        return cls.of(assignments(path)) if path is not None else cls()

    @classmethod
    def of(cls, values: dict[str, str]) -> GuestSettings:
        """From the assignments; words that are not known count as libvirt's defaults."""
        default = cls()
        return cls(
            tuple(values.get("URIS", "").split()) or default.uris,
            values.get("ON_BOOT") == "start",
            int(values.get("START_DELAY") or 0),
            values.get("ON_SHUTDOWN") == "suspend",
            int(values.get("PARALLEL_SHUTDOWN") or 0),
            int(values.get("SHUTDOWN_TIMEOUT") or default.timeout),
            bool(int(values.get("BYPASS_CACHE") or 0)),
            bool(int(values.get("SYNC_TIME") or 0)),
        )


def assignments(path: Path) -> dict[str, str]:
    """The ``NAME=VALUE`` of a file; the last one of a name counts.

    Raises:
        ConfSyntax: As :meth:`GuestSettings.load`.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        place = f"{path}:{number}"
        for word in _words(line, place):
            name, sign, value = word.partition("=")
            if word == "export":
                continue
            if not sign or not name.isidentifier():
                raise _wrong(place, f"'{word}' is no NAME=VALUE")
            if name in _NUMBERS and not (value.isdecimal() or not value):
                raise _wrong(place, f"{name} must be a number from 0, not '{value}'")
            found[name] = value
    return found


def _words(line: str, place: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise _wrong(place, str(error)) from error


def _wrong(place: str, what: str) -> ConfSyntax:
    return ConfSyntax(f"{place}: {what}", domain=ErrorDomain.CONF)
