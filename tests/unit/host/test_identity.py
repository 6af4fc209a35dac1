# SPDX-License-Identifier: Apache-2.0
"""Which process a pid means."""

from __future__ import annotations

import json
import os

import pytest

from virloom.host.identity import ProcessIdentity, boot_id, start_time
from virloom.host.pidfd import PidFd, reap

NOBODY = 2**22 + 1
"""Above the kernel's largest pid."""


def test_this_process_is_itself() -> None:
    me = ProcessIdentity.of(os.getpid())
    assert me.pid == os.getpid()
    assert me.boot_id == boot_id()
    assert me.matches()
    assert me == ProcessIdentity.of(os.getpid())
    assert len({me, ProcessIdentity.of(os.getpid())}) == 1


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another"}, {"pid": NOBODY}])
def test_another_process_with_the_same_pid_does_not_match(change: dict[str, object]) -> None:
    data = ProcessIdentity.of(os.getpid()).to_json() | change
    other = ProcessIdentity.from_json(data)
    assert not other.matches()
    assert other != ProcessIdentity.of(os.getpid())
    with pytest.raises(ProcessLookupError):
        PidFd.open(other)


def test_json_and_back() -> None:
    me = ProcessIdentity.of(os.getpid())
    assert ProcessIdentity.from_json(json.loads(json.dumps(me.to_json()))) == me


@pytest.mark.parametrize("data", [{}, {"pid": 1}, {"pid": "x", "start_time": 1, "boot_id": "b"}])
def test_what_is_no_identity_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="identity"):
        ProcessIdentity.from_json(data)


def test_nobody_has_no_start_time() -> None:
    with pytest.raises(ProcessLookupError):
        start_time(NOBODY)


def test_the_first_process_started_before_this_one() -> None:
    assert start_time(1) < start_time(os.getpid())


def test_a_process_that_is_no_child_cannot_be_reaped() -> None:
    assert reap(os.getpid()) is None
    pidfd = PidFd.open(ProcessIdentity.of(os.getpid()))
    assert not pidfd.has_exited()
    with pytest.raises(ChildProcessError):
        pidfd.reap()
    pidfd.close()
    pidfd.close()
    assert pidfd.fileno() == -1
