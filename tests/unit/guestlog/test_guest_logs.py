# SPDX-License-Identifier: Apache-2.0
"""Open logs: one writer each, the end of a pipe, and what the next process goes on with."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from virloom.errors import InternalError, SystemFailure
from virloom.guestlog.files import Limits, Position
from virloom.guestlog.logs import GuestLogs, Owner

OWNER = Owner("qemu", "web", "11111111-2222-3333-4444-555555555555")


class Kept:
    """Has copies, as whoever watches a daemon has."""

    def __init__(self) -> None:
        self.fds: dict[str, int] = {}

    def keep(self, name: str, fd: int) -> None:
        self.fds[name] = os.dup(fd)

    def forget(self, name: str) -> None:
        os.close(self.fds.pop(name))

    def copies(self) -> dict[str, int]:
        return {name: os.dup(fd) for name, fd in self.fds.items()}


def logs(directory: Path, kept: Kept | None = None) -> GuestLogs:
    return GuestLogs(directory / "logs.json", Limits(), kept or Kept())


async def turn() -> None:
    """Lets the loop see what is readable."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_written_read_and_ended(tmp_path: Path) -> None:
    kept = Kept()
    ours = logs(tmp_path, kept)
    path = str(tmp_path / "web.log")
    pipe, start = ours.open(path, OWNER, truncate=False)
    assert len(kept.fds) == len(ours) == 1
    os.write(pipe, b"hello\n")
    ours.append(path, b"shutting down\n")
    assert ours.read(path, start, 100) == b"hello\nshutting down\n"
    assert ours.position(path) == Position(start.inode, 20)
    os.write(pipe, b"last")
    os.close(pipe)
    await turn()
    assert (len(ours), kept.fds) == (0, {})
    assert ours.read(path, start, 100).endswith(b"last")
    with pytest.raises(InternalError, match="No open log file"):
        ours.position(path)
    ours.close()


async def test_one_writer_at_a_time(tmp_path: Path) -> None:
    ours = logs(tmp_path)
    path = str(tmp_path / "web.log")
    pipe, _ = ours.open(path, OWNER, truncate=False)
    with pytest.raises(SystemFailure) as refused:
        ours.open(path, OWNER, truncate=True)
    assert refused.value.int1 == errno.EBUSY
    os.write(pipe, b"end\n")
    os.close(pipe)
    again, start = ours.open(path, OWNER, truncate=False)  # at once: the end need not be seen
    assert start.offset == 4
    os.close(again)
    ours.append(str(tmp_path / "other.log"), b"not open\n")
    assert (tmp_path / "other.log").read_text() == "not open\n"
    ours.close()


async def test_the_next_process_goes_on(tmp_path: Path) -> None:
    kept = Kept()
    path = str(tmp_path / "web.log")
    first = logs(tmp_path, kept)
    pipe, start = first.open(path, OWNER, truncate=False)
    os.write(pipe, b"one\n")
    copies = kept.copies()
    first.close()
    os.write(pipe, b"two\n")
    second = logs(tmp_path, kept)
    second.adopt(copies)
    os.write(pipe, b"three\n")
    assert second.read(path, start, 100) == b"one\ntwo\nthree\n"
    os.close(pipe)
    await turn()
    assert (len(second), kept.fds) == (0, {})
    second.close()


async def test_a_descriptor_of_no_log_is_let_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    reader, writer = os.pipe()
    kept.keep("log-strange", reader)
    (tmp_path / "logs.json").write_text("{")
    ours = logs(tmp_path, kept)
    ours.adopt({"log-strange": reader})
    assert (len(ours), kept.fds) == (0, {})
    assert "is not usable" in caplog.text
    os.close(writer)
    ours.close()


async def test_a_guest_never_waits_for_a_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    ours = logs(tmp_path)
    pipe, _ = ours.open("/dev/full", OWNER, truncate=False)
    os.set_blocking(pipe, False)
    for _ in range(5):
        os.write(pipe, b"x" * 60_000)  # more than a pipe takes
        ours.read("/dev/full", Position(0, 0), 0)
    assert "what comes is lost" in caplog.text
    os.close(pipe)
    ours.close()
