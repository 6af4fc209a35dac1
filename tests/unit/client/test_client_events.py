# SPDX-License-Identifier: Apache-2.0
"""Events: registration, multiplexing, gaps, ends."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.fakes.dispatcher import FakeDriver, document
from virloom.client.connection import Connection
from virloom.client.domain import events as ev
from virloom.client.domain.domain import Domain
from virloom.client.subscription import EventGap
from virloom.enums import domain as e
from virloom.errors import InvalidArg, OperationAborted
from virloom.procedures import domain as p
from virloom.procedures import qemu as q
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam


async def test_lifecycle_events_in_order(conn: Connection) -> None:
    async with conn.lifecycle_events() as events:
        dom = await conn.define_xml(document("one"))
        await dom.create()
        await dom.destroy()
        got = [await anext(events) for _ in range(3)]
    assert got == [
        ev.LifecycleEvent(dom.ref, e.DomainEventType.DEFINED, e.DomainEventDefinedDetailType.ADDED),
        ev.LifecycleEvent(
            dom.ref, e.DomainEventType.STARTED, e.DomainEventStartedDetailType.BOOTED
        ),
        ev.LifecycleEvent(
            dom.ref, e.DomainEventType.STOPPED, e.DomainEventStoppedDetailType.DESTROYED
        ),
    ]
    assert isinstance(got[0], ev.LifecycleEvent)
    assert got[0].event is e.DomainEventType.DEFINED
    assert got[0].detail is e.DomainEventDefinedDetailType.ADDED


async def test_one_registration_for_many_subscribers(conn: Connection, driver: FakeDriver) -> None:
    streams = [conn.lifecycle_events() for _ in range(20)]
    await asyncio.gather(*(stream.start() for stream in streams))
    assert driver.registered == 1
    await conn.create_xml(document("one"))
    assert len([await anext(stream) for stream in streams]) == 20
    await asyncio.gather(*(stream.close() for stream in streams[1:]))
    assert (driver.registered, driver.deregistered) == (1, 0)
    await streams[0].close()
    assert (driver.registered, driver.deregistered, driver.callbacks) == (1, 1, {})


async def test_filter_by_domain(conn: Connection, driver: FakeDriver) -> None:
    one = await conn.define_xml(document("one"))
    two = await conn.define_xml(document("two"))
    async with conn.lifecycle_events(domain=two.ref) as events:
        await one.create()
        await two.create()
        event = await anext(events)
    assert isinstance(event, ev.LifecycleEvent)
    assert conn.domain(event.domain) == two


async def test_events_before_the_answer_to_their_registration(
    conn: Connection, driver: FakeDriver
) -> None:
    await conn.define_xml(document("one"))
    driver.emit_while_registering = True
    async with conn.lifecycle_events() as events:
        event = await anext(events)
    assert isinstance(event, ev.LifecycleEvent)
    assert event.event == e.DomainEventType.STARTED


async def test_slow_reader_is_told_of_the_gap(conn: Connection, driver: FakeDriver) -> None:
    async with conn.lifecycle_events(queue=3) as events:
        dom = await conn.define_xml(document("one"))
        guest = driver.guests["one"]
        for detail in range(5):
            driver.emit_lifecycle(guest, e.DomainEventType.SUSPENDED, detail)
        # Room again, and one more: the gap is told where it is.
        got: list[object] = [await anext(events) for _ in range(2)]
        driver.emit_lifecycle(guest, e.DomainEventType.RESUMED, 0)
        got += [await anext(events) for _ in range(3)]
    assert [type(one).__name__ for one in got] == [
        "LifecycleEvent", "LifecycleEvent", "LifecycleEvent", "EventGap", "LifecycleEvent",
    ]  # fmt: skip
    assert got[3] == EventGap(3)
    assert got[4] == ev.LifecycleEvent(
        dom.ref, e.DomainEventType.RESUMED, e.DomainEventResumedDetailType.UNPAUSED
    )


async def test_gap_at_the_end_is_told_too(conn: Connection, driver: FakeDriver) -> None:
    async with conn.lifecycle_events(queue=1) as events:
        await conn.define_xml(document("one"))
        driver.emit_lifecycle(driver.guests["one"], 4, 0)
        assert isinstance(await anext(events), ev.LifecycleEvent)
        assert await anext(events) == EventGap(1)


async def test_close_during_iteration(conn: Connection) -> None:
    waiting = asyncio.Event()

    async def collect() -> list[object]:
        async with conn.lifecycle_events() as events:
            waiting.set()
            return [event async for event in events]

    task = asyncio.create_task(collect())
    await waiting.wait()
    await conn.define_xml(document("one"))
    await conn.close()
    assert len(await task) == 1


async def test_lost_connection_is_raised_after_what_was_there(conn: Connection) -> None:
    endpoint = conn._link.endpoint
    async with conn.lifecycle_events() as events:
        await conn.define_xml(document("one"))
        assert endpoint.on_close is not None
        endpoint.on_close(OperationAborted("the other side is gone"))
        assert isinstance(await anext(events), ev.LifecycleEvent)
        with pytest.raises(OperationAborted, match="other side is gone"):
            await anext(events)
    assert conn.closed


async def test_closed_stream_ends_its_reader(conn: Connection) -> None:
    events = conn.lifecycle_events()
    await events.start()
    reader = asyncio.create_task(anext(events, None))
    await asyncio.wait([reader], timeout=0.01)
    await events.close()
    assert await reader is None


async def test_failed_registration_can_be_tried_again(conn: Connection, driver: FakeDriver) -> None:
    events = conn.lifecycle_events()
    driver.fail_registrations = True
    with pytest.raises(InvalidArg):
        await events.start()
    driver.fail_registrations = False
    await events.start()
    assert driver.registered == 1
    await events.close()


async def test_what_a_driver_refuses_is_left_out_of_all_events(
    conn: Connection, driver: FakeDriver
) -> None:
    driver.refused_events = {2, 3}
    async with conn.events() as events:
        assert {wanted for _, wanted, _ in driver.callbacks.values()} == set(range(27)) - {2, 3}
        await conn.define_xml(document("one"))
        assert isinstance(await anext(events), ev.LifecycleEvent)
    assert driver.callbacks == {}
    with pytest.raises(InvalidArg):
        await conn.events(list(range(4))).start()
    await conn._hub.settle()
    assert driver.callbacks == {}
    driver.refused_events = set(range(100))
    with pytest.raises(InvalidArg):
        await conn.events().start()


async def test_cancelled_registration_leaves_nothing(conn: Connection, driver: FakeDriver) -> None:
    events = conn.lifecycle_events()
    task = asyncio.create_task(events.start())
    await asyncio.wait([task], timeout=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await conn._hub.settle()
    assert driver.callbacks == {}


async def test_leaving_and_coming_at_once(conn: Connection, driver: FakeDriver) -> None:
    first = conn.lifecycle_events()
    await first.start()
    leaving = asyncio.create_task(first.close())
    second = conn.lifecycle_events()
    await asyncio.gather(leaving, second.start())
    await conn.define_xml(document("one"))
    assert isinstance(await anext(second), ev.LifecycleEvent)
    assert len(driver.callbacks) == 1
    await second.close()


async def test_stream_that_is_dropped_is_deregistered(conn: Connection, driver: FakeDriver) -> None:
    async def look_once() -> None:
        async for _ in conn.lifecycle_events():
            break

    task = asyncio.create_task(look_once())
    while not driver.callbacks:
        await asyncio.wait([task], timeout=0.01)
    await conn.define_xml(document("one"))
    await task
    gc.collect()
    await conn._hub.settle()
    assert driver.callbacks == {}


async def test_callbacks(conn: Connection) -> None:
    got: list[object] = []

    def fails(event: object) -> None:
        raise ValueError(event)

    end = await conn.on_event(got.append, ev.LifecycleEvent)
    end_other = await conn.on_event(fails, [e.DomainEventID.LIFECYCLE])
    await conn.define_xml(document("one"))
    assert len(got) == 1
    end()
    end_other()
    await conn._hub.settle()
    await conn.define_xml(document("two"))
    assert len(got) == 1


async def test_monitor_events(conn: Connection, driver: FakeDriver) -> None:
    dom = await conn.define_xml(document("one"))
    async with conn.monitor_events("BLOCK.*", regex=True, domain=dom.ref) as events:
        assert driver.calls[-1] == "monitor events BLOCK.* 1"
        driver.emit(q.DOMAIN_MONITOR_EVENT, driver.guests["one"], -1, "BLOCK_X", 1, 2, "{}")
        assert await anext(events) == ev.MonitorEvent(dom.ref, "BLOCK_X", 1, 2, "{}")
    assert driver.callbacks == {}


async def test_all_events_of_libvirt_9(conn: Connection, driver: FakeDriver) -> None:
    async with conn.events() as events:
        assert sorted(wanted for _, wanted, _ in driver.callbacks.values()) == list(range(27))
        await conn.define_xml(document("one"))
        await anext(events)
    assert driver.callbacks == {}


def test_what_is_no_event() -> None:
    with pytest.raises(InvalidArg):
        ev.topics_of([int], None)  # type: ignore[list-item] # that is the point


#: What each kind brings after the domain, on the wire and as attributes.
_GRAPHICS = p.DomainEventGraphicsAddress(0, "::1", "5900")
SAMPLES: list[tuple[type[ev.DomainEvent], tuple[object, ...], tuple[object, ...]]] = [
    (ev.RebootEvent, (), ()),
    (ev.RtcChangeEvent, (7200,), (7200,)),
    (ev.WatchdogEvent, (1,), (e.DomainEventWatchdogAction.PAUSE,)),
    (ev.IOErrorEvent, ("/a", "d", 1), ("/a", "d", e.DomainEventIOErrorAction.PAUSE)),
    (
        ev.IOErrorReasonEvent,
        ("/a", "d", 2, "enospc"),
        ("/a", "d", e.DomainEventIOErrorAction.REPORT, "enospc"),
    ),
    (
        ev.GraphicsEvent,
        (2, _GRAPHICS, _GRAPHICS, "vnc", [p.DomainEventGraphicsIdentity("dn", "me")]),
        (
            e.DomainEventGraphicsPhase.DISCONNECT,
            ev.GraphicsAddress(e.DomainEventGraphicsAddressType.IPV4, "::1", "5900"),
            ev.GraphicsAddress(e.DomainEventGraphicsAddressType.IPV4, "::1", "5900"),
            "vnc",
            (("dn", "me"),),
        ),
    ),
    (ev.ControlErrorEvent, (), ()),
    (ev.BlockJobEvent, ("/a", 1, 0), ("/a", e.DomainBlockJobType.PULL, 0)),
    (ev.BlockJob2Event, ("vda", 1, 0), ("vda", e.DomainBlockJobType.PULL, 0)),
    (ev.DiskChangeEvent, (None, "/b", "d", 0), (None, "/b", "d", 0)),
    (ev.TrayChangeEvent, ("d", 1), ("d", e.DomainEventTrayChangeReason.CLOSE)),
    (ev.PMWakeupEvent, (), ()),
    (ev.PMSuspendEvent, (), ()),
    (ev.PMSuspendDiskEvent, (), ()),
    (ev.BalloonChangeEvent, (1024,), (1024,)),
    (ev.DeviceRemovedEvent, ("net0",), ("net0",)),
    (ev.DeviceAddedEvent, ("net0",), ("net0",)),
    (ev.DeviceRemovalFailedEvent, ("net0",), ("net0",)),
    (ev.TunableEvent, ([TypedParam("a", typed_value("int", 1))],), ({"a": 1},)),
    (ev.JobCompletedEvent, ([TypedParam("a", typed_value("string", "x"))],), ({"a": "x"},)),
    (
        ev.AgentLifecycleEvent,
        (1, 2),
        (
            e.ConnectDomainEventAgentLifecycleState.CONNECTED,
            e.ConnectDomainEventAgentLifecycleReason.CHANNEL,
        ),
    ),
    (ev.MigrationIterationEvent, (4,), (4,)),
    (ev.MetadataChangeEvent, (2, "urn:x"), (e.DomainMetadataType.ELEMENT, "urn:x")),
    (ev.BlockThresholdEvent, ("vda", None, 5, 6), ("vda", None, 5, 6)),
    (ev.MemoryFailureEvent, (0, 1, 2), (0, 1, e.DomainMemoryFailureFlags.RECURSIVE)),
    (ev.MemoryDeviceSizeChangeEvent, ("dimm0", 4096), ("dimm0", 4096)),
    (ev.NicMACChangeEvent, ("net0", "a", "b"), ("net0", "a", "b")),
    (ev.VcpuRemovedEvent, (2,), (2,)),
    (ev.ChannelLifecycleEvent, ("org.qemu.guest_agent.0", 1, 2), ("org.qemu.guest_agent.0", 1, 2)),
    (ev.LifecycleEvent, (6, 99), (e.DomainEventType.SHUTDOWN, 99)),
    (ev.LifecycleEvent, (77, 1), (77, 1)),
]


def test_every_kind_has_a_sample() -> None:
    assert {event for event, _, _ in SAMPLES} == {kind.event for kind in ev.KINDS.values()}


@pytest.mark.parametrize(("event", "wire", "attributes"), SAMPLES)
async def test_decoding(
    conn: Connection,
    driver: FakeDriver,
    event: type[ev.DomainEvent],
    wire: tuple[object, ...],
    attributes: tuple[object, ...],
) -> None:
    dom: Domain = await conn.define_xml(document("one"))
    event_id = next(i for i, kind in ev.KINDS.items() if kind.event is event)
    async with conn.events(event) as events:
        driver.emit(ev.KINDS[event_id].procedure, driver.guests["one"], event_id, *wire)
        assert await anext(events) == event(dom.ref, *attributes)
