# SPDX-License-Identifier: Apache-2.0
"""Opening, using, cancelling and closing a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar
from uuid import UUID

import pytest

import virloom
from tests.fakes.dispatcher import FakeDriver, document, endpoint_of
from virloom.client.connection import Connection
from virloom.client.domain.events import LifecycleEvent
from virloom.client.subscription import EventStream
from virloom.errors import (
    InvalidArg,
    InvalidConn,
    NoDomain,
    NoSupport,
    OperationDenied,
    SystemFailure,
)
from virloom.uri import ConnectURI

T = TypeVar("T")

URI = ConnectURI.parse("qemu:///embed")


async def test_life_cycle_of_a_guest(conn: Connection, driver: FakeDriver) -> None:
    dom = await conn.define_xml(document("one"))
    assert (dom.name, dom.id) == ("one", -1)
    await dom.create()
    assert dom.id == 1
    assert await conn.lookup_by_id(1) == dom
    assert await conn.lookup_by_name("one") == dom
    assert await conn.lookup_by_uuid(str(dom.uuid)) == dom
    assert await conn.lookup_by_uuid(dom.uuid) == dom
    assert await conn.list_all_domains() == [dom]
    await dom.destroy()
    assert dom.id == -1
    await dom.undefine()
    with pytest.raises(NoDomain):
        await dom.state()


async def test_uuid_that_is_none(conn: Connection) -> None:
    with pytest.raises(InvalidArg, match="'one' is not a UUID"):
        await conn.lookup_by_uuid("one")
    with pytest.raises(NoDomain):
        await conn.lookup_by_uuid(UUID(int=1))


async def test_every_call_on_a_closed_connection(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    await conn.close()
    await conn.close()
    assert conn.closed
    with pytest.raises(InvalidConn):
        await dom.state()
    with pytest.raises(InvalidConn):
        await conn.lib_version()
    with pytest.raises(InvalidConn):
        await dom.open_console()
    with pytest.raises(InvalidConn):
        await conn.lifecycle_events().start()


async def test_close_releases_and_tells(driver: FakeDriver) -> None:
    told: list[object] = []
    conn = Connection(endpoint_of(driver), URI)
    conn.on_close(told.append)
    await conn.close()
    assert told == [None]
    assert driver.released == 1


async def test_read_only_connection(driver: FakeDriver) -> None:
    async with Connection(endpoint_of(driver, readonly=True), URI) as conn:
        assert await conn.lib_version() == 9_000_000
        with pytest.raises(OperationDenied):
            await conn.create_xml(document("one"))


async def test_cancelled_call_does_not_stop_the_driver(
    conn: Connection, driver: FakeDriver
) -> None:
    waiting = asyncio.create_task(conn.hostname())
    await driver.slow_begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    driver.go_on.set()
    assert await conn.hostname() == "slow-host"
    assert driver.slow_finished == 2


async def _on_another_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of *work*, run by a loop on a thread of its own."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(asyncio.run(work()))
        except BaseException as exc:
            result.set_exception(exc)

    thread = Thread(target=run)
    thread.start()
    try:
        return await asyncio.wrap_future(result)
    finally:
        await asyncio.to_thread(thread.join)


async def test_closed_from_another_loop(conn: Connection) -> None:
    events = conn.lifecycle_events()
    await events.start()
    waiting = asyncio.create_task(collect(events))
    await _on_another_loop(conn.close)
    assert await waiting == []
    with pytest.raises(InvalidConn):
        await conn.lib_version()


async def collect(events: EventStream[LifecycleEvent]) -> list[object]:
    return [event async for event in events]


async def test_after_the_end_of_the_openers_loop(driver: FakeDriver) -> None:
    home = asyncio.get_running_loop()

    async def open_there() -> Connection:
        return Connection(endpoint_of(driver, home), URI)

    conn = await _on_another_loop(open_there)
    assert await conn.lib_version() == 9_000_000  # the driver's loop still runs
    with pytest.raises(InvalidConn, match="the event loop that opened the connection has ended"):
        await conn.lifecycle_events().start()
    await conn.close()
    assert driver.released == 1


async def test_use_from_another_loop(conn: Connection) -> None:
    async def elsewhere() -> str:
        dom = await conn.create_xml(document("far"))
        async with conn.lifecycle_events() as events:
            await dom.destroy()
            event = await anext(events)
        return repr(event)

    text = await _on_another_loop(elsewhere)
    assert "STOPPED" in text
    assert "DESTROYED" in text


async def test_opening_what_is_not_there() -> None:
    for uri in ("lxc:///embed", "xen:///embed"):
        with pytest.raises(NoSupport, match="qemu:///embed"):
            await virloom.open(uri)
    with pytest.raises(SystemFailure, match="socket to '/nowhere/sock': No such file"):
        await virloom.open("qemu:///system?socket=/nowhere/sock")
    with pytest.raises(NoSupport, match="libssh2"):
        await virloom.open("qemu+libssh2://host/system")
    with pytest.raises(InvalidArg, match="command="):
        await virloom.open("qemu+ext:///system")
    with pytest.raises(InvalidArg):
        async with virloom.open("nonsense"):
            pass


def test_opening_without_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:system")

    async def attempt() -> None:
        await virloom.open()

    with pytest.raises(InvalidArg, match="qemu:system"):
        asyncio.run(attempt())
