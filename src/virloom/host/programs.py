# SPDX-License-Identifier: Apache-2.0
"""Where the host's programs are, also for ordinary users, whose PATH has no ``sbin``."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

#: Where distributions have ``nft``, ``tc`` and ``dnsmasq``.
_PLACES = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


def program_path(name: str) -> str | None:
    """The path of a program; None where it is not installed."""
    more = _PLACES if os.geteuid() != 0 else ()  # what root's PATH leaves out is not wanted
    return _first(name, [*_path(), *more])


def is_on_path(name: str) -> bool:
    """Whether a program is there by its name alone."""
    return _first(name, _path()) is not None


def _path() -> list[str]:
    return os.environ.get("PATH", os.defpath).split(os.pathsep)


def _first(name: str, places: Sequence[str]) -> str | None:
    found = (os.path.join(place, name) for place in places)
    return next((path for path in found if _is_program(path)), None)


def _is_program(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
    except OSError:
        return False
