# SPDX-License-Identifier: Apache-2.0
"""Descriptors through virtproxyd, also where it has none left: a call fails, nothing else does."""

from __future__ import annotations

import asyncio
import itertools
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import STEP, Virtproxyd, Virtqemud
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.errors import SystemFailure
from virloom.testing.documents import paused_guest_xml

DOCUMENT = paused_guest_xml("web").replace(
    "</devices>", "<graphics type='vnc' port='-1' autoport='yes'/></devices>"
)


@pytest.fixture
def proxy(virtqemud: Virtqemud) -> Iterator[Virtproxyd]:
    daemon = Virtproxyd(virtqemud.root)
    daemon.start()
    yield daemon
    assert daemon.signal(signal.SIGTERM) == 0, daemon.log()


def _used(pid: int) -> set[int]:
    return {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}


@contextmanager
def one_left(pid: int) -> Iterator[None]:
    """The process can have one more descriptor: one that comes, and no copy of it."""
    used = _used(pid)
    for _ in range(3):  # a file that it reads at the moment does not count
        time.sleep(0.05)
        used &= _used(pid)
    free = (number for number in itertools.count() if number not in used)
    next(free)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(free), before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


async def _gets(dom: Domain) -> None:
    fd = await dom.open_graphics_fd()
    with socket.socket(fileno=fd) as display:
        display.settimeout(STEP)
        assert await asyncio.to_thread(display.recv, 4) == b"RFB "


async def _gives(dom: Domain) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        await dom.open_graphics(theirs.fileno())
        ours.settimeout(STEP)
        assert await asyncio.to_thread(ours.recv, 4) == b"RFB "


@pytest.mark.parametrize("use", [_gets, _gives])
def test_a_proxy_without_descriptors(
    proxy: Virtproxyd, use: Callable[[Domain], Awaitable[None]]
) -> None:
    async def refused(conn: Connection) -> None:
        dom = await conn.create_xml(DOCUMENT, 1)
        await use(dom)
        await dom.state()  # by its answer the proxy has closed what it passed before
        with one_left(proxy.pid):
            with pytest.raises(SystemFailure, match="cannot pass the file descriptors"):
                await use(dom)
            assert (await dom.state()).state  # the others' calls go on
        await use(dom)
        await dom.destroy()

    async def run() -> None:
        async with virloom.open(proxy.uri()) as conn:
            await refused(conn)

    asyncio.run(run())
    assert "cut off" not in proxy.log()
