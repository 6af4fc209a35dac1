# SPDX-License-Identifier: Apache-2.0
"""Blocking calls over a wire, which need no task: results, errors, threads, interruption, ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes.dispatcher import document
from tests.unit.endpoint.test_remote import FakeDaemon
from virloom.client.link import Link
from virloom.endpoint.remote import RemoteEndpoint
from virloom.errors import InvalidConn, NoDomain, OperationInvalid
from virloom.procedures import VOID
from virloom.procedures import connect as c
from virloom.procedures import domain as p
from virloom.sync.portal import Portal, portal
from virloom.transport.memory import memory_pair


class Line:
    """A link to a daemon of the same loop."""

    def __init__(self, home: Portal) -> None:
        self.home = home
        self.daemon, self.link = home.run(self._make())

    async def _make(self) -> tuple[FakeDaemon, Link]:
        near, far = memory_pair()
        return FakeDaemon(far), Link(RemoteEndpoint(near, secure=False))

    def define(self, name: str) -> str:
        args = p.DomainDefineXMLArgs(document(name))
        return self.home.call(self.link, p.DOMAIN_DEFINE_XML, args).dom.name

    def look_up(self, name: str) -> str:
        args = p.DomainLookupByNameArgs(name)
        return self.home.call(self.link, p.DOMAIN_LOOKUP_BY_NAME, args).dom.name

    def hostname(self) -> str:
        return self.home.call(self.link, c.CONNECT_GET_HOSTNAME, VOID).hostname


@pytest.fixture(scope="module")
def home() -> Portal:
    return portal()


@pytest.fixture
def line(home: Portal) -> Iterator[Line]:
    made = Line(home)
    yield made
    home.run(made.link.endpoint.close())


def test_result_and_error(line: Line) -> None:
    assert line.define("one") == line.look_up("one") == "one"
    with pytest.raises(NoDomain, match="two"):
        line.look_up("two")


def test_each_thread_gets_its_own_answer(line: Line) -> None:
    def work(number: int) -> tuple[str, str]:
        name = f"guest{number}"
        return line.define(name), line.look_up(name)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(100)))
    assert answers == [(f"guest{n}", f"guest{n}") for n in range(100)]


def test_end_of_the_wire_reaches_all_that_wait(line: Line) -> None:
    line.daemon.hold = True
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(line.hostname) for _ in range(3)]
        line.home.run(line.daemon.until(lambda: len(line.daemon.held) == 3))
        line.home.run(_cut(line))
        errors = [one.exception(10) for one in waiting]
    assert all(isinstance(error, Exception) for error in errors)
    assert {str(error) for error in errors} == {str(errors[0])}
    with pytest.raises(InvalidConn):
        line.hostname()


async def _cut(line: Line) -> None:
    line.daemon.transport.abort()


def test_interrupted_wait_leaves_the_wire_in_order(line: Line) -> None:
    main = threading.main_thread().ident
    assert main is not None
    caught = threading.Event()

    def interrupt() -> None:
        line.home.run(line.daemon.driver.slow_begun.wait())
        # Between Python's last look for signals and its wait for a lock one goes unnoticed.
        while not caught.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            caught.wait(3)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        line.hostname()
    caught.set()
    thread.join()

    async def let_go() -> None:
        line.daemon.driver.go_on.set()

    line.home.run(let_go())
    assert line.hostname() == "slow-host"
    assert line.daemon.driver.slow_finished == 2


def test_call_on_the_loops_own_thread_is_refused(line: Line) -> None:
    async def inside() -> None:
        line.hostname()

    with pytest.raises(OperationInvalid, match="would wait for itself"):
        line.home.run(inside())
