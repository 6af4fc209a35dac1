# SPDX-License-Identifier: Apache-2.0
"""The life cycle as libvirt 9 has it: calls, codes, states, events and their order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import virloom
from tests.fakes.impatient import impatient
from virloom.enums.domain import (
    ConnectListAllDomainsFlags,
    DomainControlState,
    DomainCreateFlags,
    DomainDestroyFlagsValues,
    DomainEventType,
    DomainMetadataType,
    DomainModificationImpact,
    DomainPausedReason,
    DomainRunningReason,
    DomainShutoffReason,
    DomainState,
    DomainXMLFlags,
)
from virloom.errors import (
    NoDomain,
    NoDomainMetadata,
    OperationFailed,
    OperationInvalid,
    OperationTimeout,
)
from virloom.testing.documents import paused_guest_xml

PAUSED = DomainCreateFlags.START_PAUSED


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A fresh root."""
    return f"qemu:///embed?root={tmp_path / 'root'}"


@pytest.fixture
async def conn(uri: str) -> AsyncIterator[virloom.Connection]:
    """An open connection, whose guests end with the test."""
    async with virloom.open(uri) as opened:
        yield opened
        for dom in await opened.list_all_domains(ConnectListAllDomainsFlags.ACTIVE):
            await dom.destroy()


class Listener:
    """Collects life cycle events as (event, detail) by name."""

    def __init__(self, conn: virloom.Connection) -> None:
        self.stream = conn.lifecycle_events()

    async def next(self, count: int) -> list[str]:
        """The next events, and that there are so many of them."""
        found = []
        async with asyncio.timeout(10):
            for _ in range(count):
                event = await anext(self.stream)
                detail = getattr(event.detail, "name", event.detail)
                found.append(f"{DomainEventType(event.event).name} {detail}")
        return found


@pytest.fixture
async def events(conn: virloom.Connection) -> AsyncIterator[Listener]:
    """What happens from now on."""
    listener = Listener(conn)
    async with listener.stream:
        yield listener


def pid_of(root_uri: str, name: str) -> int:
    """The process of a guest, by its record."""
    import json

    root = Path(root_uri.partition("root=")[2])
    return int(json.loads((root / "run/qemu" / f"{name}.json").read_text())["process"]["pid"])


# -- start and end ---------------------------------------------------------------------------------


async def test_events_of_a_start_and_a_destroy(conn: virloom.Connection, events: Listener) -> None:
    dom = await conn.create_xml(paused_guest_xml("web"))
    assert await events.next(2) == ["RESUMED UNPAUSED", "STARTED BOOTED"]
    assert await dom.state() == (DomainState.RUNNING, DomainRunningReason.BOOTED)
    await dom.destroy()
    assert await events.next(2) == ["SHUTDOWN HOST", "STOPPED DESTROYED"]
    with pytest.raises(NoDomain):
        await dom.state()


async def test_events_of_a_paused_start(conn: virloom.Connection, events: Listener) -> None:
    dom = await conn.create_xml(paused_guest_xml("web"), PAUSED)
    assert await events.next(2) == ["STARTED BOOTED", "SUSPENDED PAUSED"]
    assert await dom.state() == (DomainState.PAUSED, DomainPausedReason.USER)
    await dom.resume()
    assert await events.next(1) == ["RESUMED UNPAUSED"]
    assert await dom.state() == (DomainState.RUNNING, DomainRunningReason.UNPAUSED)
    await dom.suspend()
    await dom.suspend()
    assert await events.next(1) == ["SUSPENDED PAUSED"]
    await dom.resume()
    with pytest.raises(OperationInvalid, match="already running"):
        await dom.resume()


@pytest.mark.parametrize(
    ("number", "told", "reason"),
    [
        (signal.SIGKILL, ["STOPPED FAILED"], DomainShutoffReason.CRASHED),
        (signal.SIGTERM, ["SHUTDOWN HOST", "STOPPED SHUTDOWN"], DomainShutoffReason.SHUTDOWN),
    ],
)
async def test_qemu_ends_by_a_signal(
    conn: virloom.Connection,
    events: Listener,
    uri: str,
    number: int,
    told: list[str],
    reason: DomainShutoffReason,
) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    await dom.create()
    await events.next(3)
    os.kill(pid_of(uri, "web"), number)
    assert await events.next(len(told)) == told
    assert await dom.state() == (DomainState.SHUTOFF, reason)
    await dom.create()
    assert await dom.is_active()


async def test_a_stopped_process_is_destroyed_at_once(conn: virloom.Connection, uri: str) -> None:
    dom = await conn.create_xml(paused_guest_xml("web"), PAUSED)
    os.kill(pid_of(uri, "web"), signal.SIGSTOP)
    async with asyncio.timeout(3):
        await dom.destroy(DomainDestroyFlagsValues.GRACEFUL)


async def test_a_guest_that_does_not_answer(uri: str, tmp_path: Path) -> None:
    async with impatient(tmp_path / "root") as conn:
        dom = await conn.create_xml(paused_guest_xml("web"))
        os.kill(pid_of(uri, "web"), signal.SIGSTOP)
        async with asyncio.timeout(0.4):
            assert (await dom.state()).state == DomainState.RUNNING
            assert "<name>web</name>" in await dom.xml_desc()
            assert len(await conn.list_all_domains()) == 1
        first = asyncio.create_task(dom.suspend())
        await asyncio.sleep(0)
        with pytest.raises(OperationTimeout, match="DOMAIN_SUSPEND"):
            await dom.resume()
        assert (await dom.control_info()).state == DomainControlState.OCCUPIED
        with pytest.raises(OperationTimeout, match="'stop'"):
            await first
        os.kill(pid_of(uri, "web"), signal.SIGCONT)
        await dom.destroy()


async def test_autodestroy_ends_with_its_connection(uri: str) -> None:
    async with virloom.open(uri) as other:
        async with virloom.open(uri) as conn:
            await conn.create_xml(
                paused_guest_xml("web"), PAUSED | DomainCreateFlags.START_AUTODESTROY
            )
            free = await conn.create_xml(paused_guest_xml("db"), PAUSED)
        assert [dom.name for dom in await other.list_all_domains()] == ["db"]
        await (await other.lookup_by_name(free.name)).destroy()


async def test_reset_and_reboot_events(conn: virloom.Connection) -> None:
    dom = await conn.create_xml(paused_guest_xml("web"))
    async with conn.events(virloom.RebootEvent) as reboots:
        await dom.reset()
        async with asyncio.timeout(5):
            assert (await anext(reboots)).domain.name == "web"


# -- documents -------------------------------------------------------------------------------------


async def test_define_start_undefine(conn: virloom.Connection, events: Listener) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    assert await events.next(1) == ["DEFINED ADDED"]
    assert await dom.state() == (DomainState.SHUTOFF, DomainShutoffReason.UNKNOWN)
    for call in (dom.suspend, dom.shutdown, dom.destroy, dom.reset):
        with pytest.raises(OperationInvalid, match="not running"):
            await call()
    await conn.define_xml(await dom.xml_desc())
    assert await events.next(1) == ["DEFINED UPDATED"]
    await dom.create(PAUSED)
    await events.next(2)
    with pytest.raises(OperationInvalid, match="already running"):
        await dom.create()
    await dom.undefine()
    assert await events.next(1) == ["UNDEFINED REMOVED"]
    assert not await dom.is_persistent()
    with pytest.raises(OperationInvalid, match="transient"):
        await dom.set_autostart(True)
    with pytest.raises(OperationInvalid, match="transient"):
        await dom.undefine()
    await dom.destroy()
    with pytest.raises(NoDomain, match="matching name 'web'"):
        await conn.lookup_by_name("web")


async def test_names_and_uuids_are_unique(conn: virloom.Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    with pytest.raises(OperationFailed, match=f"already exists with uuid {dom.uuid}"):
        await conn.define_xml(paused_guest_xml("web"))
    renamed = (await dom.xml_desc()).replace("<name>web<", "<name>db<")
    with pytest.raises(OperationFailed, match="already defined with uuid"):
        await conn.define_xml(renamed)
    await dom.create(PAUSED)
    with pytest.raises(OperationInvalid, match="already active"):
        await conn.create_xml(await dom.xml_desc(DomainXMLFlags.INACTIVE))


async def test_a_live_document_and_its_configuration(conn: virloom.Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("web", console="pty"))
    before = await dom.xml_desc()
    await dom.create(PAUSED)
    live = await dom.xml_desc()
    assert "<alias name='serial0'/>" in live
    assert "/dev/pts/" in live
    assert f"id='{(await conn.lookup_by_name('web')).id}'" in live
    assert await dom.xml_desc(DomainXMLFlags.INACTIVE) == before
    await dom.destroy()
    assert await dom.xml_desc() == before


async def test_domains_come_back_after_the_driver_was_closed(uri: str, tmp_path: Path) -> None:
    async with virloom.open(uri) as conn:
        dom = await conn.define_xml(paused_guest_xml("web"))
        await dom.set_autostart(True)
        document = await dom.xml_desc()
    async with virloom.open(uri) as conn:
        dom = await conn.lookup_by_name("web")
        assert not await dom.is_active()  # the host has not booted since
    (tmp_path / "root" / "run" / "qemu" / "autostarted").write_text("another boot")
    async with virloom.open(uri) as conn:
        dom = await conn.lookup_by_name("web")
        assert await dom.is_active()
        assert await dom.autostart()
        assert await dom.xml_desc(DomainXMLFlags.INACTIVE) == document
        await dom.destroy()


async def test_title_description_and_metadata(conn: virloom.Connection, uri: str) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    with pytest.raises(NoDomainMetadata):
        await dom.title()
    await dom.set_title("a web server")
    await dom.set_description("two\nlines")
    element, space = DomainMetadataType.ELEMENT, "http://example.org/app"
    await dom.set_metadata(element, "<info k='v'><x/></info>", "app", space)
    assert await dom.title() == "a web server"
    assert await dom.metadata(element, space) == '<info k="v">\n  <x/>\n</info>'
    assert 'xmlns:app="http://example.org/app"' in await dom.xml_desc()
    await dom.create(PAUSED)
    live, config = DomainModificationImpact.LIVE, DomainModificationImpact.CONFIG
    await dom.set_title("live", live)
    assert await dom.title(config) == "a web server"
    assert await dom.title() == "live"
    await dom.set_metadata(element, None, None, space, live | config)
    with pytest.raises(NoDomainMetadata):
        await dom.metadata(element, space)
    await dom.destroy()
    assert await dom.title() == "a web server"


# -- lists -----------------------------------------------------------------------------------------


async def test_lists_and_their_filters(conn: virloom.Connection) -> None:
    flags = ConnectListAllDomainsFlags
    await conn.define_xml(paused_guest_xml("off"))
    on = await conn.define_xml(paused_guest_xml("on"))
    await on.create(PAUSED)
    await conn.create_xml(paused_guest_xml("transient"))

    async def names(wanted: int) -> set[str]:
        return {dom.name for dom in await conn.list_all_domains(wanted)}

    assert await names(0) == {"off", "on", "transient"}
    assert await names(flags.ACTIVE) == {"on", "transient"}
    assert await names(flags.INACTIVE) == {"off"}
    assert await names(flags.PERSISTENT) == {"off", "on"}
    assert await names(flags.PAUSED) == {"on"}
    assert await names(flags.RUNNING | flags.SHUTOFF) == {"transient", "off"}
    assert await names(flags.ACTIVE | flags.TRANSIENT) == {"transient"}
    assert await names(flags.AUTOSTART) == set()
    assert sorted(await conn.list_domain_ids()) == sorted(
        dom.id for dom in await conn.list_all_domains(flags.ACTIVE)
    )
    assert await conn.list_defined_domains() == ["off"]
    assert (await conn.num_of_domains(), await conn.num_of_defined_domains()) == (2, 1)
    assert (await conn.lookup_by_uuid(on.uuid)).name == "on"
    with pytest.raises(NoDomain):
        await conn.lookup_by_id(4711)


async def test_statistics_of_many_in_one_call(conn: virloom.Connection) -> None:
    await conn.define_xml(paused_guest_xml("off"))
    for number in range(3):
        await conn.create_xml(paused_guest_xml(f"g{number}"), PAUSED)
    told = {stats.domain.name: stats.values for stats in await conn.all_domain_stats()}
    assert set(told) == {"off", "g0", "g1", "g2"}
    assert told["off"]["state.state"] == DomainState.SHUTOFF
    assert told["g0"]["vcpu.current"] == 1
    assert told["g0"]["balloon.maximum"] == 32 * 1024
    assert told["g0"]["cpu.time"] > 0


async def test_other_loops_and_threads_share_the_driver(conn: virloom.Connection, uri: str) -> None:
    await conn.create_xml(paused_guest_xml("web"), PAUSED)

    async def elsewhere() -> list[str]:
        async with virloom.open(uri) as other:
            dom = await other.lookup_by_name("web")
            await dom.resume()
            return [guest.name for guest in await other.list_all_domains()]

    assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == ["web"]
