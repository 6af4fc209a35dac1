# SPDX-License-Identifier: Apache-2.0
"""Calls to a driver in the same process, from its own event loop and from others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

import pytest

from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.endpoint.stream import BytesStream
from virloom.errors import InternalError, InvalidConn, OperationAborted, OperationDenied, Rpc
from virloom.procedures import connect, domain
from virloom.procedures.record import VOID, Procedure, Record, Void


class Driver:
    """A small driver whose slow call waits until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()
        self.finished = 0
        self.released = 0
        self.last_stream: BytesStream | None = None

    @serves(connect.CONNECT_GET_LIB_VERSION)
    def lib_version(self, call: Call, args: Void) -> connect.ConnectGetLibVersionRet:
        return connect.ConnectGetLibVersionRet(lib_ver=9000000)

    @serves(connect.CONNECT_GET_HOSTNAME)
    async def slow(self, call: Call, args: Void) -> connect.ConnectGetHostnameRet:
        self.begun.set()
        await self.go_on.wait()
        self.finished += 1
        return connect.ConnectGetHostnameRet(hostname="here")

    @serves(domain.CONNECT_DOMAIN_XML_TO_NATIVE)
    def not_read_only(self, call: Call, args: Record) -> Record:
        return domain.ConnectDomainXMLToNativeRet(native_config="")

    @serves(domain.DOMAIN_SET_MEMORY)
    def compared(self, call: Call, args: domain.DomainSetMemoryArgs) -> None:
        assert args.memory < 1 << 80

    @serves(domain.DOMAIN_SET_MAX_MEMORY)
    async def compared_later(self, call: Call, args: domain.DomainSetMaxMemoryArgs) -> None:
        assert args.memory < 1 << 80

    @serves(domain.DOMAIN_SCREENSHOT)
    def screenshot(self, call: Call, args: Record) -> domain.DomainScreenshotRet:
        self.last_stream = BytesStream(b"P6 1 1")
        call.attach_stream(self.last_stream)
        return domain.DomainScreenshotRet(mime="image/x-portable-pixmap")

    @serves(domain.CONNECT_DOMAIN_EVENT_REGISTER)
    def register(self, call: Call, args: Void) -> Any:
        call.session.send_event(domain.DOMAIN_EVENT_LIFECYCLE, VOID)

    async def release(self) -> None:
        self.released += 1


def _endpoint(driver: Driver, home: asyncio.AbstractEventLoop, **more: Any) -> LocalEndpoint:
    return LocalEndpoint(Dispatcher([driver]), home, Identity(**more), driver.release)


def _here(driver: Driver, **more: Any) -> LocalEndpoint:
    return _endpoint(driver, asyncio.get_running_loop(), **more)


async def test_call_on_the_drivers_own_loop() -> None:
    endpoint = _here(Driver())
    result = await endpoint.call(connect.CONNECT_GET_LIB_VERSION, VOID)
    assert result.lib_ver == 9000000
    await endpoint.close()


async def test_cancelled_caller_leaves_the_drivers_work_running() -> None:
    driver = Driver()
    endpoint = _here(driver)
    waiting = asyncio.ensure_future(endpoint.call(connect.CONNECT_GET_HOSTNAME, VOID))
    await driver.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    driver.go_on.set()
    await endpoint.close()
    assert driver.finished == 1


async def test_close_waits_for_calls_then_releases_once() -> None:
    driver = Driver()
    endpoint = _here(driver)
    reasons: list[object] = []
    endpoint.on_close = reasons.append
    waiting = asyncio.ensure_future(endpoint.call(connect.CONNECT_GET_HOSTNAME, VOID))
    await driver.begun.wait()
    asyncio.get_running_loop().call_soon(driver.go_on.set)
    await endpoint.close()
    await endpoint.close()
    assert (driver.finished, driver.released, reasons) == (1, 1, [None])
    assert (await waiting).hostname == "here"


async def test_closed_endpoint_refuses_calls() -> None:
    endpoint = _here(Driver())
    await endpoint.close()
    with pytest.raises(InvalidConn, match="CONNECT_GET_LIB_VERSION"):
        await endpoint.call(connect.CONNECT_GET_LIB_VERSION, VOID)


async def test_read_only_connection_is_refused_what_the_table_does_not_allow() -> None:
    endpoint = _here(Driver(), readonly=True)
    await endpoint.call(connect.CONNECT_GET_LIB_VERSION, VOID)
    args = domain.ConnectDomainXMLToNativeArgs(
        native_format="qemu-argv", domain_xml="<domain/>", flags=0
    )
    with pytest.raises(OperationDenied):
        await endpoint.call(domain.CONNECT_DOMAIN_XML_TO_NATIVE, args)
    await endpoint.close()


def _screenshot() -> domain.DomainScreenshotArgs:
    dom = domain.NonnullDomain(name="web", uuid=bytes(16), id=1)
    return domain.DomainScreenshotArgs(dom=dom, screen=0, flags=0)


@pytest.mark.parametrize(
    ("procedure", "args"),
    [
        (domain.DOMAIN_SET_MEMORY, domain.DomainSetMemoryArgs),
        (domain.DOMAIN_SET_MAX_MEMORY, domain.DomainSetMaxMemoryArgs),
    ],
)
async def test_arguments_that_are_none_are_told_as_they_would_be_on_the_wire(
    procedure: Procedure[Any, Any], args: Any, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = _here(Driver())
    which = domain.NonnullDomain("web", bytes(16), 1)
    assert await endpoint.call(procedure, args(which, 5)) == VOID
    with pytest.raises(Rpc, match=r"arguments cannot be sent: .*memory.* not an integer"):
        await endpoint.call(procedure, args(which, "much"))
    assert not caplog.records, "it is the caller's fault"
    await endpoint.close()


async def test_stream_of_a_call() -> None:
    endpoint = _here(Driver())
    result, stream = await endpoint.open_stream(domain.DOMAIN_SCREENSHOT, _screenshot())
    assert result.mime == "image/x-portable-pixmap"
    assert await stream.read() == b"P6 1 1"
    await endpoint.close()


async def test_streams_end_with_the_connection() -> None:
    endpoint = _here(Driver())
    _, stream = await endpoint.open_stream(domain.DOMAIN_SCREENSHOT, _screenshot())
    await endpoint.close()
    with pytest.raises(OperationAborted):
        await stream.read()


async def test_call_that_gives_no_stream() -> None:
    endpoint = _here(Driver())
    with pytest.raises(InternalError, match="no stream"):
        await endpoint.open_stream(connect.CONNECT_GET_LIB_VERSION, VOID)
    await endpoint.close()


async def test_events_reach_the_opener() -> None:
    seen: list[str] = []
    endpoint = _here(Driver())
    endpoint.on_event = lambda procedure, message: seen.append(procedure.name)
    await endpoint.call(domain.CONNECT_DOMAIN_EVENT_REGISTER, VOID)
    assert seen == ["DOMAIN_EVENT_LIFECYCLE"]
    await endpoint.close()


async def _elsewhere(work: Callable[[], Awaitable[Any]]) -> Any:
    """Awaits *work* on the event loop of another thread."""
    outcome: Future[Any] = Future()

    def body() -> None:
        async def main() -> Any:
            return await work()

        try:
            outcome.set_result(asyncio.run(main()))
        except BaseException as error:
            outcome.set_exception(error)

    thread = Thread(target=body)
    thread.start()
    try:
        return await asyncio.wrap_future(outcome)
    finally:
        await asyncio.to_thread(thread.join)


async def test_opener_on_another_loop() -> None:
    driver, home = Driver(), asyncio.get_running_loop()

    async def use() -> tuple[int, list[str]]:
        endpoint = _endpoint(driver, home)
        seen: list[str] = []
        arrived = asyncio.Event()

        def on_event(procedure: Procedure[Any, Void], message: Record) -> None:
            seen.append(procedure.name)
            arrived.set()

        endpoint.on_event = on_event
        version = (await endpoint.call(connect.CONNECT_GET_LIB_VERSION, VOID)).lib_ver
        await endpoint.call(domain.CONNECT_DOMAIN_EVENT_REGISTER, VOID)
        await arrived.wait()
        await endpoint.close()
        return version, seen

    assert await _elsewhere(use) == (9000000, ["DOMAIN_EVENT_LIFECYCLE"])
    assert driver.released == 1


async def test_home_loop_that_has_ended_is_an_error() -> None:
    ended = asyncio.new_event_loop()
    ended.close()
    endpoint = _endpoint(Driver(), ended)
    with pytest.raises(InvalidConn, match="has ended"):
        await endpoint.call(connect.CONNECT_GET_LIB_VERSION, VOID)
