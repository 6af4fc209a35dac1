# SPDX-License-Identifier: Apache-2.0
"""The index of documents: what it may be believed, and what not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.drivers.runtime.index import DocumentIndex, Stamp

WEB, MAIL = bytes(range(16)), bytes(range(16, 32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.index"


def loaded(path: Path) -> DocumentIndex:
    index = DocumentIndex(path)
    index.load()
    return index


def test_what_was_noted_is_known_at_the_next_start(path: Path) -> None:
    DocumentIndex(path).note("web", WEB, Stamp(1, 2, 3))
    assert loaded(path).uuid("web", Stamp(1, 2, 3)) == WEB
    assert loaded(path).uuid("mail", Stamp(1, 2, 3)) is None


@pytest.mark.parametrize("stamp", [Stamp(9, 2, 3), Stamp(1, 9, 3), Stamp(1, 2, 9)])
def test_a_file_that_somebody_changed_is_not_known(path: Path, stamp: Stamp) -> None:
    DocumentIndex(path).note("web", WEB, Stamp(1, 2, 3))
    assert loaded(path).uuid("web", stamp) is None


def test_the_latest_line_counts(path: Path) -> None:
    index = DocumentIndex(path)
    index.note("web", WEB, Stamp(1, 2, 3))
    index.note("web", MAIL, Stamp(1, 2, 4))
    assert loaded(path).uuid("web", Stamp(1, 2, 3)) is None
    assert loaded(path).uuid("web", Stamp(1, 2, 4)) == MAIL


def test_a_line_that_a_kill_cut_off_spoils_no_other(path: Path) -> None:
    DocumentIndex(path).note("web", WEB, Stamp(1, 2, 3))
    path.write_bytes(path.read_bytes()[:-20])
    DocumentIndex(path).note("mail", MAIL, Stamp(4, 5, 6))
    assert loaded(path).uuid("web", Stamp(1, 2, 3)) is None
    assert loaded(path).uuid("mail", Stamp(4, 5, 6)) == MAIL


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]\n{}\nnull\n[1, 2]\n", b"[1,[],3,4,5,6]"]
)
def test_what_is_no_index_knows_nothing(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert loaded(path).uuid("web", Stamp(1, 2, 3)) is None


def test_a_long_index_is_written_anew(path: Path) -> None:
    index = DocumentIndex(path)
    for number in range(1200):
        index.note("web", WEB, Stamp(1, 2, number))
    long = path.stat().st_size
    assert loaded(path).uuid("web", Stamp(1, 2, 1199)) == WEB
    assert path.stat().st_size < long / 100
    assert loaded(path).uuid("web", Stamp(1, 2, 1199)) == WEB


def test_a_stamp_tells_two_contents_apart(tmp_path: Path) -> None:
    file = tmp_path / "web.xml"
    file.write_text("<domain/>")
    before = Stamp.of(os.stat(file))
    file.write_text("<domain>  </domain>")
    assert Stamp.of(os.stat(file)) != before
