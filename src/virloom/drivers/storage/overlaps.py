# SPDX-License-Identifier: Apache-2.0
"""Two names of one directory: links and bind mounts, which libvirt's comparison of paths misses.

Two pools on one directory have each file as two volumes, of which either can be removed or
overwritten while the other is in use.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from virloom.model.storage import Pool

#: Kinds whose volumes are in a directory that nothing else is mounted on first.
_KINDS = ("dir", "vstorage")


def same_directory(model: Pool, others: Iterable[Pool]) -> Pool | None:
    """The first of *others* that has the directory of *model* by another path; by a thread.

    Directories that are not there (yet) are told apart by their paths.
    """
    if model.type not in _KINDS:
        return None
    own = _identity(model)
    for other in others:
        if other.type in _KINDS and other.uuid != model.uuid and _identity(other) == own:
            return other
    return None


def _identity(pool: Pool) -> tuple[int, int] | str:
    path = pool.target.path or ""
    with contextlib.suppress(OSError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return os.path.realpath(path)
