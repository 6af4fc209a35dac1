# SPDX-License-Identifier: Apache-2.0
"""Documents are written in order, by a thread, and what fails leaves the former one."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from virloom.drivers.runtime.index import DocumentIndex, Stamp
from virloom.drivers.runtime.store import DocumentStore
from virloom.drivers.runtime.writes import Change, Writes
from virloom.errors import SystemFailure

UUID = bytes(range(16))


class Step:
    """A change that notes what becomes of it."""

    def __init__(
        self, name: str, seen: list[str], *, durable: bool = True, error: OSError | None = None
    ) -> None:
        self.name = name
        self.seen = seen
        self.durable = durable
        self.waits = True
        self.error = error
        self.go = threading.Event()
        self.go.set()

    def make(self) -> None:
        """Waits until it may, then fails if it has to."""
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        self.seen.append(f"make {self.name}")

    def undo(self) -> None:
        """Is noted."""
        self.seen.append(f"undo {self.name}")

    def made(self) -> None:
        """Is noted."""
        self.seen.append(f"made {self.name}")


def store_in(directory: Path) -> DocumentStore:
    (directory / "qemu").mkdir(exist_ok=True)
    index = DocumentIndex(directory / "index")
    return DocumentStore(directory / "qemu", directory / "qemu" / "autostart", index)


def texts(store: DocumentStore) -> dict[str, str]:
    return {document.name: document.text for document in store.load()}


async def asked(writes: Writes, change: Change, told: list[str], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(writes.apply(change, lambda: told.append(name)))
    await asyncio.sleep(0)
    return task


async def test_the_loop_goes_on_while_a_batch_gathers(tmp_path: Path) -> None:
    seen: list[str] = []
    told: list[str] = []
    writes = Writes(tmp_path)
    first, second, third = (Step(name, seen) for name in ("a", "b", "c"))
    first.go.clear()
    tasks = [await asked(writes, first, told, "a")]
    await asyncio.sleep(0)  # the thread has it
    tasks += [await asked(writes, second, told, "b"), await asked(writes, third, told, "c")]
    assert told == []
    assert not any(task.done() for task in tasks)
    first.go.set()
    await asyncio.gather(*tasks)
    assert seen == ["make a", "made a", "make b", "make c", "made b", "made c"]
    assert told == ["a", "b", "c"]


async def test_one_that_fails_does_not_keep_the_others(tmp_path: Path) -> None:
    seen: list[str] = []
    told: list[str] = []
    writes = Writes(tmp_path)
    bad = Step("bad", seen, error=OSError(28, "full"))
    results = await asyncio.gather(
        writes.apply(bad, lambda: told.append("bad")),
        writes.apply(Step("good", seen), lambda: told.append("good")),
        return_exceptions=True,
    )
    assert isinstance(results[0], OSError)
    assert results[1] is None
    assert (seen, told) == (["make good", "made good"], ["good"])


async def test_a_directory_that_cannot_be_synchronized_takes_the_batch_back(tmp_path: Path) -> None:
    seen: list[str] = []
    told: list[str] = []
    writes = Writes(tmp_path / "gone")
    results = await asyncio.gather(
        writes.apply(Step("a", seen), lambda: told.append("a")),
        writes.apply(Step("b", seen), lambda: told.append("b")),
        return_exceptions=True,
    )
    assert all(isinstance(result, SystemFailure) for result in results)
    assert (seen, told) == (["make a", "make b", "undo b", "undo a"], [])


async def test_a_caller_that_goes_does_not_part_memory_and_disk(tmp_path: Path) -> None:
    seen: list[str] = []
    told: list[str] = []
    writes = Writes(tmp_path)
    step = Step("a", seen)
    step.go.clear()
    task = await asked(writes, step, told, "a")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    step.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (seen, told) == (["make a", "made a"], ["a"])


async def test_closing_waits_for_what_was_asked_for(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    tasks = [asyncio.create_task(store.save(f"d{n}", UUID, "<domain/>")) for n in range(5)]
    await asyncio.sleep(0)
    await store.settled()
    assert len(texts(store)) == 5
    await asyncio.gather(*tasks)


async def test_changes_of_one_name_happen_in_their_order(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    told: list[str] = []
    await asyncio.gather(
        store.save("web", UUID, "<first/>", lambda: told.append("first")),
        store.delete("web", lambda: told.append("gone")),
        store.save("web", UUID, "<second/>", lambda: told.append("second")),
        store.set_autostart("web", True),
        store.save("web", UUID, "<third/>", lambda: told.append("third")),
    )
    assert told == ["first", "gone", "second", "third"]
    assert texts(store) == {"web": "<third/>"}
    assert store.autostarts("web")


async def test_a_document_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.save("web", UUID, "<first/>")
    with pytest.raises(ValueError, match="surrogates"):
        await store.save("web", UUID, "<\udc80/>", lambda: pytest.fail("was not written"))
    assert texts(store) == {"web": "<first/>"}


async def test_a_rename_takes_the_link_along(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.save("old", UUID, "<first/>")
    await store.set_autostart("old", True)
    await store.rename("old", "new", UUID, "<second/>")
    assert texts(store) == {"new": "<second/>"}
    assert store.autostarts("new")
    assert not store.autostarts("old")


async def test_a_rename_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.save("old", UUID, "<first/>")
    await store.set_autostart("old", True)
    blocker = tmp_path / "qemu" / "autostart" / "old.xml"
    blocker.unlink()
    blocker.mkdir()  # a directory is no link that could be removed
    with pytest.raises(SystemFailure):
        await store.rename("old", "new", UUID, "<second/>", lambda: pytest.fail("was not done"))
    assert texts(store) == {"old": "<first/>"}


async def test_the_index_knows_what_was_written(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.save("web", UUID, "<first/>")
    index = DocumentIndex(tmp_path / "index")
    index.load()
    assert index.uuid("web", Stamp.of((tmp_path / "qemu" / "web.xml").stat())) == UUID


async def test_what_does_not_wait_for_the_disk_is_made_at_once(tmp_path: Path) -> None:
    """Also in its order: behind one that is under way it waits."""
    seen: list[str] = []
    writes = Writes(tmp_path)
    quick, slow, behind = (Step(name, seen, durable=False) for name in ("quick", "slow", "behind"))
    quick.waits = behind.waits = False
    slow.go.clear()
    applied = writes.apply(quick, lambda: seen.append("told quick"))
    with pytest.raises(StopIteration):
        applied.send(None)  # it did not wait
    assert seen == ["make quick", "made quick", "told quick"]
    first = await asked(writes, slow, seen, "told slow")
    second = await asked(writes, behind, seen, "told behind")
    slow.go.set()
    await asyncio.gather(first, second)
    assert [entry for entry in seen if entry.startswith("told")][1:] == ["told slow", "told behind"]
