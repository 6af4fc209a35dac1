# SPDX-License-Identifier: Apache-2.0
"""Logs of bounded size: what is taken from a pipe, where files change, what is read over it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.errors import SystemFailure
from virloom.guestlog.files import Limits, LogFile, Position, read

SMALL = Limits(size=1000, backups=3)


class Writer:
    """A pipe into a log."""

    def __init__(self, path: Path, limits: Limits = SMALL) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.path = path
        self.log = LogFile(str(path), limits)

    def write(self, text: str) -> None:
        os.write(self.writer, text.encode())
        try:
            while self.log.take(self.reader):
                pass
        except BlockingIOError:
            return

    def files(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in sorted(self.path.parent.iterdir())}

    def read(self, position: Position, length: int = 1 << 20) -> str:
        return read(str(self.path), position, length, 3).decode()

    def close(self) -> None:
        self.log.close()
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "a.log")
    yield made
    made.close()


def test_what_is_written_is_in_the_file(writer: Writer) -> None:
    start = writer.log.position
    writer.write("one\n")
    writer.log.append(b"two\n")
    assert writer.read(start) == "one\ntwo\n"
    assert writer.log.position == (start.inode, 8)
    assert writer.path.stat().st_mode & 0o777 == 0o600


def test_files_change_at_the_end_of_a_line(writer: Writer) -> None:
    start = writer.log.position
    lines = "".join(f"{number:04} {'x' * 45}\n" for number in range(60))
    for line in lines.splitlines(keepends=True):
        writer.write(line)
    assert writer.files() == {"a.log": 153, "a.log.0": 969, "a.log.1": 969, "a.log.2": 969}
    assert writer.read(start) == lines
    assert all(path.read_bytes().endswith(b"\n") for path in writer.path.parent.iterdir())


def test_a_line_without_end_is_cut(writer: Writer) -> None:
    writer.write("y" * 2500 + "\n")
    assert writer.files() == {"a.log": 501, "a.log.0": 1000, "a.log.1": 1000}


def test_the_oldest_goes(writer: Writer) -> None:
    for number in range(100):
        writer.write(f"{number:99}\n")
    kept = writer.read(Position(1, 0))  # the inode of what has gone may be in use again
    assert kept.startswith(" " * 97 + "60\n")
    assert kept.endswith("99\n")


def test_a_position_stays_where_it_is(writer: Writer) -> None:
    writer.write("0" * 499 + "\n")
    middle = writer.log.position
    writer.write("1" * 499 + "\n")
    writer.write("2" * 499 + "\n")
    assert writer.read(middle) == "1" * 499 + "\n" + "2" * 499 + "\n"
    assert writer.read(middle, 10) == "1" * 10
    assert writer.read(writer.log.position) == ""
    assert writer.read(Position(1, 7), 3) == "000"  # gone: from the oldest on


def test_without_backups_and_without_bound(tmp_path: Path) -> None:
    for limits, files in ((Limits(1000, 0), {"a.log": 500}), (Limits(0, 3), {"a.log": 1500})):
        directory = tmp_path / str(limits.size)
        directory.mkdir()
        writer = Writer(directory / "a.log", limits)
        for _ in range(3):
            writer.write("z" * 499 + "\n")
        assert writer.files() == files
        writer.close()


def test_truncated_with_its_backups(writer: Writer) -> None:
    writer.write("y" * 2500 + "\n")
    other = LogFile(str(writer.path), SMALL, truncate=True)
    assert writer.files() == {"a.log": 0}
    other.close()


def test_a_file_that_somebody_empties_goes_on_from_its_start(writer: Writer) -> None:
    writer.write("first\n")
    os.truncate(writer.path, 0)  # as logrotate's copytruncate does
    writer.write("second\n")
    assert writer.path.read_text() == "second\n"


def test_a_device_takes_everything(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "unused")
    writer.log.close()
    writer.log = LogFile("/dev/null", SMALL)
    writer.write("x" * 5000)
    assert writer.log.position.offset == 0
    writer.close()


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_what_cannot_be_a_log(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "there"
    if kind == "missing":
        path = tmp_path / "no/such"
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(SystemFailure, match="Unable to open file"):
        LogFile(str(path), SMALL)
    with pytest.raises(OSError, match=r"directory|device|seek"):
        read(str(tmp_path / "nothing"), Position(0, 0), 1, 3)


LINE = "z" * 40


@pytest.mark.parametrize("step", ["fresh made", "moved", "begun", "done"])
def test_a_kill_between_two_files_loses_and_doubles_nothing(writer: Writer, step: str) -> None:
    """The files as each step of a change leaves them, and then another process."""
    log, former, fresh = (Path(f"{writer.path}{suffix}") for suffix in ("", ".0", ".new"))
    log.write_text(f"whole\n{LINE}")
    if step == "fresh made":
        fresh.write_text(LINE[:10])
    else:
        log.rename(former)
        (fresh if step == "moved" else log).write_text(LINE)
    if step == "done":
        former.write_text("whole\n")
    resumed = LogFile(str(writer.path), SMALL, resumed=True)
    resumed.append(b"!\n")
    resumed.close()
    former_text = former.read_text() if former.exists() else ""
    assert former_text + log.read_text() == f"whole\n{LINE}!\n"
    assert not fresh.exists()


def test_what_ends_without_a_line_for_good_stays(writer: Writer) -> None:
    former = Path(f"{writer.path}.0")
    former.write_text("a\nb")
    writer.path.write_text("c\n")
    LogFile(str(writer.path), SMALL, resumed=True).close()
    assert former.read_text() == "a\nb"


def test_a_gap_is_filled(writer: Writer) -> None:
    for number in (0, 1, 3):
        Path(f"{writer.path}.{number}").write_text(f"{number}\n")
    writer.write("p" * 999 + "\n")
    writer.write("q\n")
    texts = {path.name: path.read_text() for path in writer.path.parent.iterdir()}
    assert texts["a.log.1"] == "0\n"
    assert texts["a.log.2"] == "1\n"
    assert texts["a.log.3"] == "3\n"  # older than what is kept
    assert texts["a.log.0"] == "p" * 999 + "\n"
