# SPDX-License-Identifier: Apache-2.0
"""Sockets that are read in one turn of the loop: each has its turn, whatever the others do."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from virloom.transport.readers import Readers

WHO = contextvars.ContextVar("WHO", default="nobody")


class Sockets:
    """Three pairs, and what is read of their near ends."""

    def __init__(self) -> None:
        self.pairs = [socket.socketpair() for _ in range(3)]
        for near, _ in self.pairs:
            near.setblocking(False)
        self.readers = Readers()
        self.came: list[tuple[int, bytes]] = []

    def add(self, number: int, reader: Callable[[int], None] | None = None) -> None:
        call = partial(reader or self.read, number)
        self.readers.add(self.pairs[number][0].fileno(), call)

    def read(self, number: int) -> None:
        self.came.append((number, self.pairs[number][0].recv(9)))

    def remove(self, number: int) -> None:
        self.readers.remove(self.pairs[number][0].fileno())

    async def all_are_ready(self, count: int = 3) -> None:
        for _, far in self.pairs[:count]:
            far.send(b"x")
        for _ in range(4):
            await asyncio.sleep(0)

    def close(self) -> None:
        for number in range(3):
            self.remove(number)
        for pair in self.pairs:
            for end in pair:
                end.close()


@pytest.fixture
async def sockets() -> Any:
    made = Sockets()
    yield made
    made.close()


async def test_one_turn_serves_all_that_are_ready(sockets: Sockets) -> None:
    for number in range(3):
        sockets.add(number)
    await sockets.all_are_ready()
    assert sorted(sockets.came) == [(0, b"x"), (1, b"x"), (2, b"x")]


async def test_one_that_another_removed_is_not_called(sockets: Sockets) -> None:
    called = []

    def ends_all(number: int) -> None:
        called.append(number)
        for other in range(3):
            sockets.remove(other)

    for number in range(3):
        sockets.add(number, ends_all)
    await sockets.all_are_ready()
    assert len(called) == 1


async def test_one_that_fails_is_told_and_the_others_go_on(sockets: Sockets) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def wrong(number: int) -> None:
        sockets.pairs[number][0].recv(9)
        raise ValueError("wrong")

    sockets.add(0, wrong)
    sockets.add(1)
    sockets.add(2)
    await sockets.all_are_ready()
    assert sorted(sockets.came) == [(1, b"x"), (2, b"x")]
    assert [str(context["exception"]) for context in told] == ["wrong"]


async def test_each_is_called_in_its_own_context(sockets: Sockets) -> None:
    seen = []

    def reader(number: int) -> None:
        sockets.read(number)
        seen.append(WHO.get())
        WHO.set(str(number))

    for number in range(3):
        sockets.add(number, reader)
    await sockets.all_are_ready()
    assert seen == ["nobody"] * 3
    assert WHO.get() == "nobody"


async def test_nothing_is_left_when_the_last_has_gone(sockets: Sockets) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        for number in range(3):
            sockets.add(number)
        assert len(os.listdir("/proc/self/fd")) == before + 1
        for number in range(3):
            sockets.remove(number)
            sockets.remove(number)  # a second time is nothing
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("ready", "slow"), [(3, False), (3, True), (1, False)])
async def test_what_is_held_waits_for_the_others_but_not_for_long(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, ready: int, slow: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr("virloom.transport.readers._PATIENCE", 0.001 if slow else 10)

    def reader(number: int) -> None:
        sockets.read(number)
        said.append("read")
        if not sockets.readers.hold(lambda: said.append("sent")):
            said.append("alone")
        if slow:
            time.sleep(0.002)

    for number in range(3):
        sockets.add(number, reader)
    await sockets.all_are_ready(ready)
    together = ["read", "sent"] * 3 if slow else ["read"] * 3 + ["sent"] * 3
    assert said == (["read", "alone"] if ready == 1 else together)
    assert not sockets.readers.hold(lambda: said.append("never"))


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """All are closed again."""
    before = os.listdir("/proc/self/fd")
    yield
    assert len(os.listdir("/proc/self/fd")) <= len(before)
