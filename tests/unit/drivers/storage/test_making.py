# SPDX-License-Identifier: Apache-2.0
"""What says that somebody works at a volume's file."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.making import Unfinished, remove_unfinished


def test_a_file_that_is_made_keeps_qemu_s_locks_free(tmp_path: Path) -> None:
    """On NFS the locks of flock(2) and of fcntl(2) are the same ones."""
    with Unfinished(str(tmp_path), StorageHost()) as file:
        other = os.open(file.path, os.O_RDWR)
        try:
            qemu = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 100, 200, 0)
            fcntl.fcntl(other, fcntl.F_OFD_SETLK, qemu)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)
        remove_unfinished(str(tmp_path))
        assert os.path.exists(file.path)
        left = tmp_path / "left"
        os.link(file.path, left)
    left.rename(file.path)
    remove_unfinished(str(tmp_path))
    assert os.listdir(tmp_path) == []
