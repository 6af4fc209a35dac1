# SPDX-License-Identifier: Apache-2.0
"""What a domain object answers."""

from __future__ import annotations

import asyncio
import os
import tty

import pytest

from tests.fakes.dispatcher import FakeDriver, document
from virloom.client.connection import Connection
from virloom.client.domain.console import Console, TerminalSize
from virloom.client.domain.results import DomainStats, DomainStatus
from virloom.client.host import bitmap_of, processors
from virloom.client.params import ParamValue
from virloom.endpoint.stream import FdStream
from virloom.enums import domain as e
from virloom.errors import InvalidArg, OperationAborted, OperationFailed, OperationInvalid
from virloom.model.domain import Domain as DomainModel
from virloom.procedures.record import typed_value
from virloom.xml import parse_document


async def test_state_with_reason(conn: Connection) -> None:
    dom = await conn.define_xml(document("one"))
    assert await dom.state() == (e.DomainState.SHUTOFF, e.DomainShutoffReason.DESTROYED)
    await dom.create(e.DomainCreateFlags.START_PAUSED)
    state, reason = await dom.state()
    assert (state, reason) == (e.DomainState.PAUSED, e.DomainPausedReason.USER)
    assert isinstance(reason, e.DomainPausedReason)
    await dom.resume()
    assert await dom.state() == (e.DomainState.RUNNING, 99)  # a reason newer than our tables


def test_state_newer_than_our_tables() -> None:
    assert DomainStatus.of(42, 1) == (42, 1)


async def test_life_cycle_errors_come_through(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    with pytest.raises(OperationInvalid, match="already running"):
        await dom.create()


async def test_flags_choose_the_procedure(conn: Connection, driver: FakeDriver) -> None:
    dom = await conn.create_xml(document("one"))
    await dom.shutdown()
    await dom.shutdown(e.DomainShutdownFlagValues.ACPI_POWER_BTN)
    assert driver.calls[-2:] == ["shutdown one", "shutdown one 1"]


async def test_autostart_info_and_metadata(conn: Connection) -> None:
    dom = await conn.define_xml(document("one"))
    assert await dom.autostart() is False
    await dom.set_autostart(True)
    assert await dom.autostart() is True
    info = await dom.info()
    assert (info.state, info.max_memory, info.vcpus) == (e.DomainState.RUNNING, 2048, 2)
    await dom.set_title("A title")
    assert await dom.title() == "A title"


async def test_documents_as_model_objects(conn: Connection) -> None:
    model = parse_document(DomainModel, document("one"))
    model.title = "set by hand"
    dom = await conn.define_xml(model)
    again = await dom.model()
    assert (again.name, again.title) == ("one", "set by hand")


async def test_parameters_keep_the_types_that_the_host_tells(
    conn: Connection, driver: FakeDriver
) -> None:
    dom = await conn.define_xml(document("one"))
    await dom.memory.set_parameters(
        {"hard_limit": 5, "extra": -1, "forced": typed_value("uint", 3)}
    )
    assert await dom.memory.parameters() == {
        "hard_limit": 5, "soft_limit": 512, "extra": -1, "forced": 3,
    }  # fmt: skip
    sent = driver.guests["one"].memory_parameters
    assert [sent[name].type for name in ("hard_limit", "extra", "forced")] == [4, 3, 2]
    with pytest.raises(InvalidArg, match="'hard_limit' cannot be 'much': it is of type ULLONG"):
        await dom.memory.set_parameters({"hard_limit": "much"})


async def test_vcpus_with_their_affinity(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    first, second = await dom.cpu.vcpus()
    assert (first.number, first.state, first.cpu_time) == (0, e.VcpuState.RUNNING, 1000)
    assert second.affinity == {0, 2}


@pytest.mark.parametrize("numbers", [set(), {0}, {7, 8}, {1, 63, 200}])
def test_cpu_maps_both_ways(numbers: set[int]) -> None:
    assert processors(bitmap_of(frozenset(numbers))) == numbers


async def test_statistics_of_many_in_one_call(conn: Connection) -> None:
    one = await conn.create_xml(document("one"))
    await conn.create_xml(document("two"))
    values: dict[str, ParamValue] = {"state.state": 1, "state.fine": True}
    assert [s.domain.name for s in await conn.all_domain_stats()] == ["one", "two"]
    assert await conn.all_domain_stats(domains=[one.ref]) == [DomainStats(one.ref, values)]


async def test_monitor_command(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    assert await dom.monitor_command({"execute": "stop"}) == '0:{"execute": "stop"}'
    assert await dom.monitor_command("info status", hmp=True) == "1:info status"


async def test_console_both_ways(conn: Connection, driver: FakeDriver) -> None:
    dom = await conn.create_xml(document("one"))
    async with dom.console("serial0", force=True, safe=True) as console:
        assert driver.calls[-1] == "console serial0 3"
        guest = driver.guest_sides[0]
        await console.write(b"hello")
        assert guest.recv(10) == b"hello"
        guest.sendall(b"login: ")
        assert await console.read() == b"login: "
        assert await console.size() is None  # a socket, not a terminal
        assert await console.set_size(24, 80) is False
        guest.close()
        assert [part async for part in console] == []


async def test_console_left_by_an_exception_is_aborted(
    conn: Connection, driver: FakeDriver
) -> None:
    dom = await conn.create_xml(document("one"))
    with pytest.raises(ZeroDivisionError):
        async with dom.console() as console:
            raise ZeroDivisionError
    with pytest.raises(OperationAborted):
        await console.read()


async def test_aborting_wakes_the_reader(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    console = await dom.console()
    reader = asyncio.create_task(console.read())
    await asyncio.wait([reader], timeout=0.01)
    await console.abort()
    with pytest.raises(OperationAborted):
        await reader


async def test_closing_the_connection_ends_consoles(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    console = await dom.open_console()
    reader = asyncio.create_task(console.read())
    await asyncio.wait([reader], timeout=0.01)
    await conn.close()
    with pytest.raises(OperationAborted):
        await reader


async def test_size_of_a_terminal() -> None:
    ours, guests = os.openpty()
    tty.setraw(guests)
    try:
        console = Console(FdStream(ours))
        assert await console.set_size(31, 99) is True
        assert await console.size() == TerminalSize(31, 99)
        await console.close()
        assert await console.size() is None
    finally:
        os.close(guests)


async def test_screenshot(conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    mime, data = await dom.screenshot()
    assert mime == "image/x-portable-pixmap"
    assert data.startswith(b"P6 1 1 255\n")


async def test_reading_all_is_bounded(conn: Connection, driver: FakeDriver) -> None:
    dom = await conn.create_xml(document("one"))
    console = await dom.open_console()
    driver.guest_sides[0].sendall(b"x" * 100)
    with pytest.raises(OperationFailed, match="more than the 99 bytes"):
        await console.read_all(99)
    with pytest.raises(OperationAborted):
        await console.read()


async def test_objects_of_one_domain_are_equal(conn: Connection) -> None:
    dom = await conn.define_xml(document("one"))
    other = await conn.lookup_by_name("one")
    assert dom == other
    assert len({dom, other}) == 1
    assert dom != await conn.define_xml(document("two"))
    assert repr(dom) == f"<domain one ({dom.uuid})>"
