# SPDX-License-Identifier: Apache-2.0
"""The root lock and the liveness lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.errors import SystemFailure
from virloom.host.lock import (
    LockHeld,
    RootLock,
    holders,
    is_live,
    live_path,
    share_liveness,
    take_liveness,
)


def test_a_second_opener_learns_who_the_first_is(tmp_path: Path) -> None:
    with RootLock.acquire(tmp_path) as lock:
        assert lock.path == str(tmp_path / "driver.lock")
        assert Path(lock.path).read_text() == f"{os.getpid()}\n"
        with pytest.raises(LockHeld, match=f"process {os.getpid()}") as held:
            RootLock.acquire(tmp_path)
    assert held.value.pid == os.getpid()
    assert held.value.path == lock.path


def test_a_released_lock_can_be_taken_again_and_its_file_stays(tmp_path: Path) -> None:
    lock = RootLock.acquire(tmp_path / "my.lock")
    lock.release()
    lock.release()
    assert (tmp_path / "my.lock").exists()
    RootLock.acquire(tmp_path / "my.lock").release()


def test_a_longer_pid_of_before_does_not_remain(tmp_path: Path) -> None:
    (tmp_path / "driver.lock").write_text("1234567890123\n")
    RootLock.acquire(tmp_path).release()
    assert (tmp_path / "driver.lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "driver.lock").symlink_to(tmp_path / "other")
    with pytest.raises(SystemFailure, match=r"driver\.lock"):
        RootLock.acquire(tmp_path)
    assert not (tmp_path / "other").exists()


def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    with RootLock.acquire(tmp_path) as lock:
        fds = [int(name) for name in os.listdir("/proc/self/fd") if _leads_to(name, lock.path)]
        assert [os.get_inheritable(fd) for fd in fds] == [False]


def _leads_to(fd: str, path: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == path
    except FileNotFoundError:  # the one that listed the directory
        return False


def test_liveness_lasts_as_long_as_any_copy_of_the_descriptor(tmp_path: Path) -> None:
    path = live_path(str(tmp_path / "guest.json"))
    assert path == str(tmp_path / "guest.live")
    assert not is_live(path)
    fd = take_liveness(path)
    assert not os.get_inheritable(fd)
    copy = os.dup(fd)
    os.close(fd)
    assert is_live(path)
    with pytest.raises(BlockingIOError):
        take_liveness(path)
    os.close(copy)
    assert not is_live(path)
    os.close(take_liveness(path))


def test_asking_does_not_disturb_a_taker(tmp_path: Path) -> None:
    path = str(tmp_path / "guest.live")
    asker = os.open(path, os.O_CREAT | os.O_RDONLY, 0o600)
    try:
        os.close(take_liveness(path))
    finally:
        os.close(asker)


def test_several_share_one_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "guardian.lock")
    first, second = share_liveness(path), share_liveness(path)
    os.close(first)
    assert is_live(path)
    os.close(second)
    assert not is_live(path)


def test_this_process_is_no_holder_and_no_file_has_none(tmp_path: Path) -> None:
    path = str(tmp_path / "guest.live")
    assert holders(path) == []
    fd = take_liveness(path)
    assert holders(path) == []
    os.close(fd)
