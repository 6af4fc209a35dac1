# SPDX-License-Identifier: Apache-2.0
"""The default event loop of the drop-in: handles, timers, changes from other threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def loop(libvirt: ModuleType) -> Iterator[Any]:
    from libvirt import _event_loop

    turning = _event_loop.DefaultLoop()
    yield turning
    os.close(turning._wake)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def nothing(*args: Any) -> None:
    """What frees nothing."""


def test_a_handle_is_told_until_it_is_removed(loop: Any, pipe: tuple[int, int]) -> None:
    seen: list[Any] = []
    freed: list[Any] = []
    opaque = (nothing, "argument", freed.append)
    watch = loop.add_handle(pipe[0], 1, lambda *args: seen.append(args), opaque)
    os.write(pipe[1], b"x")
    loop.run_once()
    loop.run_once()
    assert [row[:3] for row in seen if row] == [(watch, pipe[0], 1)] * len(seen)
    assert seen
    assert loop.remove_handle(watch) == 0
    assert freed == ["argument"]
    assert loop.remove_handle(watch) == -1
    told = len(seen)
    loop.run_once()
    assert len(seen) == told


def test_a_handle_that_wants_nothing_is_not_told(loop: Any, pipe: tuple[int, int]) -> None:
    seen: list[Any] = []
    watch = loop.add_handle(pipe[0], 1, lambda *args: seen.append(args), (nothing, None, None))
    loop.update_handle(watch, 0)
    os.write(pipe[1], b"x")
    loop.run_once()
    assert not seen


def test_a_hangup_is_told_unasked(loop: Any) -> None:
    reading, writing = os.pipe()
    seen: list[int] = []
    loop.add_handle(reading, 1, lambda w, fd, events, o: seen.append(events), (nothing, 0, None))
    loop.run_once()  # the change of the tables itself
    os.close(writing)
    loop.run_once()
    os.close(reading)
    assert seen[-1] & 8


def test_timers_run_at_their_intervals(loop: Any) -> None:
    seen: list[int] = []
    timer = loop.add_timeout(0, lambda timer, opaque: seen.append(timer), (nothing, None, None))
    off = loop.add_timeout(-1, lambda timer, opaque: seen.append(timer), (nothing, None, None))
    while len(seen) < 3:
        loop.run_once()
    assert set(seen) == {timer}
    loop.update_timeout(timer, -1)
    loop.update_timeout(off, 1)
    while off not in seen:
        loop.run_once()
    assert loop.remove_timeout(off) == 0
    assert loop.remove_timeout(off) == -1


def test_a_callback_may_remove_another_that_is_due(loop: Any) -> None:
    seen: list[str] = []
    timers: dict[str, int] = {}

    def first(timer: int, opaque: Any) -> None:
        seen.append("first")
        loop.remove_timeout(timers["second"])
        loop.update_timeout(timer, -1)

    timers["first"] = loop.add_timeout(0, first, (nothing, None, None))
    timers["second"] = loop.add_timeout(0, lambda *a: seen.append("second"), (nothing, None, None))
    loop.run_once()
    loop.run_once()
    assert seen == ["first"]


def test_another_thread_wakes_the_loop(loop: Any, pipe: tuple[int, int]) -> None:
    seen = threading.Event()
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            loop.run_once()

    thread = threading.Thread(target=turn)
    thread.start()
    loop.add_handle(pipe[0], 1, lambda *args: (os.read(pipe[0], 1), seen.set()), (nothing, 0, None))
    os.write(pipe[1], b"x")
    assert seen.wait(10)
    stop.set()
    loop.add_timeout(0, nothing, (nothing, None, None))
    thread.join(10)
    assert not thread.is_alive()


def test_an_implementation_of_an_application(libvirt: ModuleType) -> None:
    called: list[Any] = []
    opaque = (lambda *args: called.append(args), "argument", called.append)
    libvirt._eventInvokeHandleCallback(3, 4, 1, opaque)
    libvirt._eventInvokeTimeoutCallback(5, opaque)
    libvirt.virEventInvokeFreeCallback(opaque)
    assert called == [(3, 4, 1, "argument"), (5, "argument"), "argument"]
    cb_data = {"cb": lambda *args: called.append(args), "opaque": "o"}
    assert libvirt._dispatchEventHandleCallback(1, 2, 4, cb_data) == 0
    assert called[-1] == (1, 2, 4, "o")
