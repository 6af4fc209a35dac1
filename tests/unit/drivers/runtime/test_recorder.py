# SPDX-License-Identifier: Apache-2.0
"""What happened: numbered, bounded, and there for the next owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.drivers.runtime.recorder import NO_EVENT, Recorder
from virloom.procedures.types import NonnullDomain

WEB = NonnullDomain("web", bytes(range(16)), 3)
DB = NonnullDomain("db", bytes(16), -1)


def texts(recorder: Recorder, after: int = 0) -> list[str]:
    return [entry.text for entry in recorder.entries(after, most=100)]


def test_entries_have_growing_numbers_and_all_that_was_said(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recorder")
    before = recorder.last
    recorder.note("job", WEB, "begins")
    recorder.event(DB, 4, b"\0\1")
    recorder.close()
    note, event = recorder.entries(before, most=100)
    assert (
        (note.sequence, event.sequence)
        == (before + 1, before + 2)
        == (
            recorder.last - 1,
            recorder.last,
        )
    )
    assert (note.kind, note.name, note.uuid, note.id, note.text, note.event) == (
        "job", "web", WEB.uuid, 3, "begins", NO_EVENT,
    )  # fmt: skip
    assert (event.kind, event.name, event.event, event.message) == ("event", "db", 4, b"\0\1")
    assert note.time <= event.time


def test_of_one_domain_and_events_alone(tmp_path: Path) -> None:
    recorder = Recorder(None)
    recorder.note("job", WEB, "one")
    recorder.event(WEB, 0, b"")
    recorder.note("job", DB, "two")
    assert [e.text for e in recorder.entries(0, uuid=DB.uuid, most=9)] == ["two"]
    assert [e.event for e in recorder.entries(0, only_events=True, most=9)] == [0]
    assert [e.text for e in recorder.entries(0, most=1)] == ["one"]


def test_the_next_owner_goes_on(tmp_path: Path) -> None:
    first = Recorder(tmp_path / "recorder")
    first.note("job", WEB, "before")
    last = first.last
    second = Recorder(tmp_path / "recorder")  # the first one was killed: it closed nothing
    second.note("job", WEB, "after")
    first.close()
    second.close()
    assert texts(second) == ["before", "after"]
    assert second.last == last + 1
    assert second.first <= last


def test_numbers_of_a_recorder_that_lost_its_file_are_higher(tmp_path: Path) -> None:
    first = Recorder(tmp_path / "recorder")
    first.note("job", WEB, "of an earlier boot")
    first.close()
    (tmp_path / "recorder").unlink()
    second = Recorder(tmp_path / "recorder")
    second.close()
    assert second.first > first.last
    assert texts(second) == []


def test_a_line_that_was_not_written_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(tmp_path / "recorder")
    for text in ("one", "two", "three"):
        recorder.note("job", WEB, text)
    recorder.close()
    data = (tmp_path / "recorder").read_bytes().splitlines(keepends=True)
    (tmp_path / "recorder").write_bytes(data[0] + b'[1,"garbage"]\n\xff\n' + data[1] + data[2][:20])
    again = Recorder(tmp_path / "recorder")
    again.close()
    assert texts(again) == ["one", "two"]
    assert "damaged" in caplog.text


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recorder", most=10)
    seen = recorder.last
    for number in range(25):
        recorder.note("job", WEB, str(number))
    recorder.close()
    assert texts(recorder) == [str(number) for number in range(15, 25)]
    assert recorder.first == seen + 16  # whoever saw number 15 or less has missed some


def test_bytes_are_bounded() -> None:
    recorder = Recorder(None, most_bytes=100)
    for number in range(5):
        recorder.note("job", WEB, str(number) * 40)
    assert texts(recorder) == ["3" * 40, "4" * 40]


def test_a_long_message_is_not_kept(tmp_path: Path) -> None:
    recorder = Recorder(None)
    recorder.event(WEB, 23, bytes(100_000))
    (entry,) = recorder.entries(0, most=1)
    assert entry.message == b""
    assert "100000 bytes" in entry.text


def test_the_file_turns(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recorder", file_bytes=1000)
    for number in range(30):
        recorder.note("job", WEB, str(number))
    recorder.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"recorder", "recorder.former"}
    assert all(size <= 1000 for size in sizes.values())
    again = Recorder(tmp_path / "recorder")
    again.close()
    kept = texts(again)
    assert kept[-1] == "29"
    assert len(kept) > 9


def test_a_disk_that_takes_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(tmp_path / "gone" / "recorder")
    recorder.note("job", WEB, "one")
    recorder.note("job", WEB, "two")
    assert texts(recorder) == ["one", "two"]
    assert caplog.text.count("goes on in memory only") == 1


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recorder")
    recorder.note("job", WEB, "one")
    recorder.close()
    assert os.stat(tmp_path / "recorder").st_mode & 0o777 == 0o600
