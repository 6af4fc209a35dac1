# SPDX-License-Identifier: Apache-2.0
"""A process that opens sockets and files for us, here in our own network."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.host import openings
from virloom.host.door import Door


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door([])
    yield made
    made.close()


def test_what_is_opened_there(door: Door, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("there")
    with openings.through(door):
        with openings.new_socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_DGRAM)
        with open(tmp_path / "file", opener=openings.open_file) as file:
            assert not os.get_inheritable(file.fileno())
            assert file.read() == "there"
        with pytest.raises(FileNotFoundError):
            openings.open_file(str(tmp_path / "none"), os.O_RDONLY)
        with pytest.raises(OSError) as found:
            openings.new_socket(socket.AF_INET, 77)
        assert found.value.errno == errno.EINVAL
    with openings.new_socket(socket.AF_INET, socket.SOCK_STREAM) as made:  # by ourselves
        assert made.type == socket.SOCK_STREAM


def test_one_that_was_killed_is_followed_by_another(door: Door) -> None:
    door.new_socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    assert door._process is not None
    former = door._process.pid
    os.kill(former, signal.SIGKILL)
    select.select([door._process.pidfd], [], [], 10)
    with pytest.raises(OSError):
        door.new_socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.new_socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    assert door._process.pid != former
