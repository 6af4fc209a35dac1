# SPDX-License-Identifier: Apache-2.0
"""Events reach those who registered for them, in the form that they understand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from virloom.drivers.runtime.events import DomainEvents
from virloom.endpoint.identity import Identity
from virloom.endpoint.session import Session
from virloom.enums.domain import DomainEventID
from virloom.errors import InternalError, OperationInvalid
from virloom.procedures.record import Procedure, Record, Void
from virloom.procedures.types import NonnullDomain
from virloom.rpc.xdr import codec_for

WEB = NonnullDomain("web", b"w" * 16, 1)
DB = NonnullDomain("db", b"d" * 16, 2)


def _session() -> tuple[Session, list[tuple[str, Any]]]:
    got: list[tuple[str, Any]] = []

    def sink(procedure: Procedure[Any, Void], message: Record, encoded: bytes | None) -> None:
        if encoded is not None:
            assert encoded == codec_for(procedure.args).encode(message)
        got.append((procedure.name, message))

    return Session(Identity(), sink), got


def test_a_modern_client_gets_its_callback_id() -> None:
    events = DomainEvents()
    session, got = _session()
    first = events.register(session, DomainEventID.LIFECYCLE, None)
    second = events.register(session, DomainEventID.LIFECYCLE, None)
    events.emit(DomainEventID.LIFECYCLE, WEB, 2, 0)
    assert [message.callback_id for _, message in got] == [first, second]
    assert {name for name, _ in got} == {"DOMAIN_EVENT_CALLBACK_LIFECYCLE"}
    assert (got[0][1].msg.dom.name, got[0][1].msg.event) == ("web", 2)


@pytest.mark.parametrize(
    ("event_id", "rest"),
    [
        (DomainEventID.LIFECYCLE, (2, 0)),
        (DomainEventID.PMSUSPEND, ()),
        (DomainEventID.METADATA_CHANGE, (2, None)),
    ],
)
def test_many_get_the_same_bytes(event_id: int, rest: tuple[Any, ...]) -> None:
    """Encoded once, but for the callback id; old clients get their own."""
    events = DomainEvents()
    known: list[bytes | None] = []
    session = Session(Identity(), lambda procedure, message, encoded: known.append(encoded))
    numbers = [events.register(session, event_id, None) for _ in range(3)]
    other, got = _session()
    if event_id != DomainEventID.METADATA_CHANGE:
        events.register(other, event_id, None, legacy=True)
    events.register(other, event_id, WEB)
    events.emit(event_id, WEB, *rest)
    tails = {data[4:] for data in known if data is not None}
    assert [data[:4] for data in known if data is not None] == [
        number.to_bytes(4, "big") for number in numbers
    ]
    assert len(tails) == 1
    assert len(got) == (1 if event_id == DomainEventID.METADATA_CHANGE else 2)


def test_a_filter_lets_only_its_domain_through() -> None:
    events = DomainEvents()
    session, got = _session()
    events.register(session, DomainEventID.REBOOT, DB)
    events.emit(DomainEventID.REBOOT, WEB)
    events.emit(DomainEventID.REBOOT, DB)
    assert [message.msg.dom.name for _, message in got] == ["db"]


def test_an_old_client_gets_the_old_messages_once() -> None:
    events = DomainEvents()
    session, got = _session()
    events.register(session, DomainEventID.LIFECYCLE, None, legacy=True)
    with pytest.raises(OperationInvalid):
        events.register(session, DomainEventID.LIFECYCLE, None, legacy=True)
    events.emit(DomainEventID.LIFECYCLE, WEB, 2, 0)
    assert [name for name, _ in got] == ["DOMAIN_EVENT_LIFECYCLE"]
    events.deregister_legacy(session, DomainEventID.LIFECYCLE)
    events.emit(DomainEventID.LIFECYCLE, WEB, 5, 0)
    assert len(got) == 1


@pytest.mark.parametrize(
    ("event", "rest"),
    [
        (DomainEventID.PMSUSPEND, ()),
        (DomainEventID.IO_ERROR_REASON, ("/a.img", "virtio-disk0", 1, "enospc")),
        (DomainEventID.METADATA_CHANGE, (1, None)),
        (DomainEventID.BALLOON_CHANGE, (4096,)),
        (DomainEventID.DEVICE_ADDED, ("net0",)),
    ],
)
def test_every_shape_of_message_can_be_made(event: DomainEventID, rest: tuple[Any, ...]) -> None:
    events = DomainEvents()
    session, got = _session()
    number = events.register(session, event, None)
    events.emit(event, WEB, *rest)
    assert got[0][1].callback_id == number


async def test_what_happened_before_anybody_could_listen_is_told_to_the_first() -> None:
    events = DomainEvents()
    events.emit_missed(DomainEventID.LIFECYCLE, WEB, 5, 5)
    events.emit_missed(DomainEventID.REBOOT, WEB)
    session, got = _session()
    events.register(session, DomainEventID.LIFECYCLE, None)
    await asyncio.sleep(0)
    assert [message.msg.event for _, message in got] == [5]
    late, heard = _session()
    events.register(late, DomainEventID.LIFECYCLE, None)
    await asyncio.sleep(0)
    assert heard == []


async def test_registrations_end_with_their_session() -> None:
    events = DomainEvents()
    session, got = _session()
    events.register(session, DomainEventID.LIFECYCLE, None)
    await session.close()
    assert not events.wanted(DomainEventID.LIFECYCLE)
    events.emit(DomainEventID.LIFECYCLE, WEB, 2, 0)
    assert got == []


def test_a_callback_belongs_to_its_session() -> None:
    events = DomainEvents()
    mine, _ = _session()
    other, _ = _session()
    number = events.register(mine, DomainEventID.LIFECYCLE, None)
    with pytest.raises(InternalError):
        events.deregister(other, number)
    events.deregister(mine, number)
    with pytest.raises(InternalError):
        events.deregister(mine, number)


def test_unknown_events_are_refused() -> None:
    session, _ = _session()
    with pytest.raises(InternalError):
        DomainEvents().register(session, 99, None)
