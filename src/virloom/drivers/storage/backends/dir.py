# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``dir``: a directory that is there, or is made by a build."""

from __future__ import annotations

from virloom.drivers.storage.backends.files import FileBackend


class DirBackend(FileBackend):
    """Nothing is to be started or stopped."""

    kind = "dir"
