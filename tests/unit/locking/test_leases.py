# SPDX-License-Identifier: Apache-2.0
"""Leases: one owner or several who share, and what the next process goes on with."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from virloom.errors import InternalError, OperationInvalid, ResourceBusy, SystemFailure
from virloom.host.range_lock import lock_range
from virloom.locking.leases import Key, Leases
from virloom.locking.owners import Owner

OURS = Owner.registered(os.getpid(), "web", "11111111-2222-3333-4444-555555555555", 1)
PARENT = Owner.registered(os.getppid(), "db", "11111111-2222-3333-4444-666666666666", 2)


class Kept:
    """Has copies, as whoever watches a daemon has."""

    def __init__(self) -> None:
        self.fds: dict[str, int] = {}

    def keep(self, name: str, fd: int) -> None:
        self.forget(name)
        self.fds[name] = os.dup(fd)

    def forget(self, name: str) -> None:
        if name in self.fds:
            os.close(self.fds.pop(name))


def is_free(path: Path) -> bool:
    with path.open("r+") as file:
        try:
            lock_range(file.fileno(), 0, 1)
        except BlockingIOError:
            return False
        return True


async def test_two_who_want_one_and_two_who_share(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    leases, key = Leases(tmp_path / "leases.json", Kept()), Key("", str(image))
    results = await asyncio.gather(
        *(leases.acquire(key, owner, shared=False, create=False) for owner in (OURS, PARENT)),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [type(None), ResourceBusy]
    with pytest.raises(InternalError, match="does not hold"):
        await leases.release(key, PARENT.pid)
    await leases.release(key, OURS.pid)
    assert is_free(image)
    for owner in (OURS, PARENT):
        await leases.acquire(key, owner, shared=True, create=False)
    await leases.release(key, OURS.pid)
    assert not is_free(image)
    await leases.release(key, PARENT.pid)
    assert is_free(image)
    with pytest.raises(ResourceBusy, match="is not locked"):
        await leases.release(key, PARENT.pid)
    await leases.close()


async def test_what_is_kept_is_gone_on_with(tmp_path: Path) -> None:
    """By its descriptor where somebody has it, else by another lock; a file of its own goes."""
    image, kept, state = tmp_path / "image", Kept(), tmp_path / "leases.json"
    image.touch()
    first = Leases(state, kept)
    first.add_space(str(tmp_path))
    keys = Key("", str(image)), Key(str(tmp_path), "made")
    for key in keys:
        await first.acquire(key, OURS, shared=False, create=bool(key.space))
    label = next(iter(first.held()))
    await first.close()
    assert not is_free(image)
    lost = [name for name in kept.fds if name != label]
    for name in lost:
        kept.forget(name)
    assert is_free(tmp_path / "made")
    second = Leases(state, kept)
    second.adopt({label: os.dup(kept.fds[label]), "lease-of-nobody": os.dup(0)})
    assert len(second) == 2
    assert set(kept.fds) == {label, *lost}
    assert not is_free(tmp_path / "made")
    for key in keys:
        await second.release(key, OURS.pid)
    assert (is_free(image), (tmp_path / "made").exists(), kept.fds) == (True, False, {})
    await second.close()


class Counting(Leases):
    """Knows how many leases there were whenever it wrote them down."""

    written: tuple[int, ...] = ()

    def _save(self) -> None:
        self.written += (len(self),)
        super()._save()


async def test_an_end_gives_all_back_at_once(tmp_path: Path) -> None:
    images = [tmp_path / f"image{number}" for number in range(20)]
    leases = Counting(tmp_path / "leases.json", Kept())
    for image in images:
        image.touch()
        owners = (OURS, PARENT) if image is images[0] else (OURS,)
        for owner in owners:
            key, shared = Key("", str(image)), len(owners) > 1
            await leases.acquire(key, owner, shared=shared, create=False)
    lines = (tmp_path / "leases.json").read_text().splitlines()
    assert len([line for line in lines if '"web"' in line]) == len(images)
    assert OURS.process is not None
    leases.written = ()
    assert await leases.release_all(OURS.process) == len(images)
    assert list(leases.written) == [1]
    assert [is_free(image) for image in images] == [False] + [True] * 19
    await leases.release(Key("", str(images[0])), PARENT.pid)
    await leases.close()


async def test_a_state_that_cannot_be_written_gives_nothing(tmp_path: Path) -> None:
    image, directory = tmp_path / "image", tmp_path / "state"
    image.touch()
    leases = Leases(directory / "leases.json", Kept())
    with pytest.raises(SystemFailure):
        await leases.acquire(Key("", str(image)), OURS, shared=False, create=False)
    assert (len(leases), is_free(image)) == (0, True)
    await leases.close()


async def test_a_state_of_nobody_and_one_of_another_boot(tmp_path: Path) -> None:
    image, state, kept = tmp_path / "image", tmp_path / "leases.json", Kept()
    image.touch()
    first = Leases(state, kept)
    await first.acquire(Key("", str(image)), OURS, shared=False, create=False)
    assert OURS.process is not None
    text = state.read_text()
    await first.close()
    kept.forget(*kept.fds)
    other = text.replace(OURS.process.boot_id, "another")
    for wrong in (other, text[:-9], "[]", '{"version": 2}'):
        state.write_text(wrong)
        second = Leases(state, Kept())
        second.adopt({})
        assert (len(second), is_free(image)) == (0, True)
        await second.close()


async def test_an_owner_that_has_ended(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    leases = Leases(tmp_path / "leases.json", Kept())
    nobody = Owner.registered(2**22 + 1, "gone", OURS.uuid, 1)
    with pytest.raises(OperationInvalid, match="'gone' has ended"):
        await leases.acquire(Key("", str(image)), nobody, shared=False, create=False)
    assert is_free(image)
    await leases.close()
