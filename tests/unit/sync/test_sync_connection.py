# SPDX-License-Identifier: Apache-2.0
"""The blocking client, from many threads, interrupted, and over a fork."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import virloom
from tests.fakes.dispatcher import FakeDriver, document, endpoint_of
from virloom.client import connection as aio
from virloom.client.domain.events import LifecycleEvent
from virloom.enums.domain import DomainEventType, DomainState
from virloom.errors import InvalidArg, InvalidConn, NoDomain, OperationInvalid
from virloom.sync.connection import Connection
from virloom.sync.domain.domain import Domain
from virloom.sync.portal import Portal, portal
from virloom.uri import ConnectURI

URI = ConnectURI.parse("qemu:///embed")


@pytest.fixture(scope="module")
def home() -> Portal:
    """The portal lives as long as the process: no leak of the test that happens to be first."""
    return portal()


@pytest.fixture
def driver(home: Portal) -> Iterator[FakeDriver]:
    made = FakeDriver()
    yield made
    made.close_sockets()


@pytest.fixture
def conn(driver: FakeDriver, home: Portal) -> Iterator[Connection]:
    with opened(driver, home) as made:
        yield made


def opened(driver: FakeDriver, home: Portal) -> Connection:
    async def make() -> aio.Connection:
        return aio.Connection(endpoint_of(driver), URI)

    return Connection(home.run(make()), home)


def test_life_cycle(conn: Connection) -> None:
    dom = conn.define_xml(document("one"))
    dom.create()
    assert dom.id == 1
    assert conn.list_all_domains() == [dom]
    assert conn.lookup_by_name("one").uuid == dom.uuid
    assert len({dom, conn.lookup_by_id(1)}) == 1
    assert dom.state().state == DomainState.RUNNING
    dom.destroy()
    dom.undefine()
    with pytest.raises(NoDomain):
        dom.info()


def test_facets_and_streams(conn: Connection, driver: FakeDriver) -> None:
    dom = conn.create_xml(document("one"))
    assert dom.memory.parameters() == {"hard_limit": 1024, "soft_limit": 512}
    assert dom.screenshot().mime == "image/x-portable-pixmap"
    with dom.console(force=True) as console:
        driver.guest_sides[0].sendall(b"login: ")
        assert next(console) == b"login: "
        console.write(b"root\n")
        assert driver.guest_sides[0].recv(100) == b"root\n"


def test_events_end_when_the_connection_is_closed(driver: FakeDriver, home: Portal) -> None:
    conn = opened(driver, home)
    seen = []
    with conn.lifecycle_events() as events:
        conn.create_xml(document("one"))
        closer = threading.Timer(0.05, conn.close)
        closer.start()
        for event in events:
            assert isinstance(event, LifecycleEvent)
            seen.append(event.event)
        closer.join()
    assert seen == [DomainEventType.STARTED]


def test_callbacks_may_call_back(conn: Connection) -> None:
    names: list[str] = []
    told = threading.Event()

    def callback(event: LifecycleEvent) -> None:
        names.append(conn.domain(event.domain).xml_desc())
        told.set()
        raise ValueError("logged, no more")

    end = conn.on_event(callback, LifecycleEvent)
    conn.create_xml(document("one"))
    assert told.wait(10)
    end()
    conn.create_xml(document("two"))
    assert names == [document("one")]


def test_many_threads(conn: Connection) -> None:
    def work(number: int) -> str:
        dom = conn.create_xml(document(f"guest{number}"))
        name = conn.lookup_by_name(dom.name).name
        dom.destroy()
        return name

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(work, range(200)))
    assert names == [f"guest{number}" for number in range(200)]
    assert conn.list_all_domains() == []


def test_interrupted_wait_leaves_the_driver_alone(
    conn: Connection, driver: FakeDriver, home: Portal
) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        home.run(driver.slow_begun.wait())
        # Between Python's last look for signals and its wait for a lock one goes unnoticed.
        while not caught.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            caught.wait(3)

    caught = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        conn.hostname()
    caught.set()
    thread.join()

    async def let_go() -> None:
        driver.go_on.set()

    home.run(let_go())
    assert conn.hostname() == "slow-host"
    assert driver.slow_finished == 2


def test_blocking_call_on_the_loops_own_thread(conn: Connection, home: Portal) -> None:
    async def inside() -> None:
        conn.lib_version()

    with pytest.raises(OperationInvalid, match="would wait for itself"):
        home.run(inside())


def test_closed_connection(driver: FakeDriver, home: Portal) -> None:
    conn = opened(driver, home)
    conn.close()
    with pytest.raises(InvalidConn):
        conn.lib_version()


def test_wrong_uri_is_told_to_the_caller(home: Portal) -> None:
    with pytest.raises(InvalidArg):
        virloom.open_sync("nonsense")


@pytest.mark.processes
def test_after_a_fork_only_new_connections_work(
    conn: Connection, home: Portal, tmp_path: Path
) -> None:
    dom = conn.create_xml(document("one"))
    said = tmp_path / "said"
    pid = os.fork()
    if pid == 0:
        try:
            said.write_text(_in_the_child(dom))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert said.read_text() == "before a fork: True, 9000000, one"
    assert conn.lookup_by_name("one") == dom  # the parent goes on as before


def _in_the_child(dom: Domain) -> str:
    try:
        dom.state()
        refused = False
    except InvalidConn as error:
        refused = "before a fork" in error.message
    fresh = opened(FakeDriver(), portal())
    version = fresh.lib_version()
    name = fresh.create_xml(document("one")).name
    fresh.close()
    return f"before a fork: {refused}, {version}, {name}"
