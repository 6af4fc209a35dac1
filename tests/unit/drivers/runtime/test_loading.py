# SPDX-License-Identifier: Apache-2.0
"""Documents become objects, and what starts by itself starts once in a boot."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from virloom.drivers.runtime.autostart import start_once
from virloom.drivers.runtime.hooks import Hooks
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.loading import take_in
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.store import DocumentStore
from virloom.errors import OperationFailed


class Thing:
    """An object that is its document."""

    def __init__(self, text: str) -> None:
        self.name = text.strip()
        self.uuid = uuid4().bytes
        self.autostart = True
        self.active = False


def read(text: str) -> Thing:
    if "broken" in text:
        raise ValueError("it is broken")
    return Thing(text)


def test_new_documents_are_taken_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, text in (("a", "a"), ("b", "c"), ("d", "broken")):
        (tmp_path / f"{name}.xml").write_text(text)
    store = DocumentStore(tmp_path, tmp_path / "autostart", DocumentIndex(tmp_path / "index"))
    known: ObjectIndex[Thing] = ObjectIndex()
    take_in(store, known, read, "thing")
    assert [thing.name for thing in known] == ["a"]
    assert "the thing 'b' is left out: its name 'c' is not that of its file" in caplog.text
    assert "the thing 'd' is left out: it is broken" in caplog.text
    first = known.by_name("a")
    (tmp_path / "e.xml").write_text("e")
    take_in(store, known, read, "thing")
    assert known.by_name("a") is first
    assert known.by_name("e") is not None


async def test_things_start_once_in_a_boot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    things = [Thing(name) for name in ("active", "off", "bad", "good")]
    things[0].active, things[1].autostart = True, False
    started: list[str] = []

    async def start(thing: Thing) -> None:
        if thing.name == "bad":
            raise OperationFailed("there is no room")
        started.append(thing.name)

    for _ in range(2):
        await start_once(tmp_path / "autostarted", things, start, "thing")
    assert started == ["good"]
    assert "thing 'bad' cannot be started: operation failed: there is no room" in caplog.text


def test_a_name_is_kept_for_who_is_renamed() -> None:
    index: ObjectIndex[Thing] = ObjectIndex()
    one, other = Thing("one"), Thing("other")
    index.add(one)
    with index.reserved("two", one):
        assert index.owner("two") is one
        assert index.by_name("two") is None
        with (
            pytest.raises(ValueError, match="'two' is in the index already"),
            index.reserved("two", other),
        ):
            pass
    assert index.owner("two") is None
    with pytest.raises(ValueError, match="'one' or its UUID"):
        index.add(one)
    index.remove(other)  # it has never been there
    assert (one in index, other in index, len(index)) == (True, False, 1)


def test_scripts_that_can_be_run_come_in_order(tmp_path: Path) -> None:
    assert Hooks(None, "qemu").scripts() == []
    assert Hooks(tmp_path, "qemu").scripts() == []
    (tmp_path / "qemu.d").mkdir()
    for name, mode in (
        ("qemu", 0o755),
        ("qemu.d/2", 0o755),
        ("qemu.d/1", 0o755),
        ("qemu.d/0", 0o644),
    ):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    found = [str(path.relative_to(tmp_path)) for path in Hooks(tmp_path, "qemu").scripts()]
    assert found == ["qemu", "qemu.d/1", "qemu.d/2"]
