# SPDX-License-Identifier: Apache-2.0
"""What lives and dies with a connection."""

from __future__ import annotations

import logging
import os

import pytest

from virloom.endpoint.identity import Identity
from virloom.endpoint.session import Session
from virloom.procedures import domain
from virloom.procedures.record import VOID, Procedure, Record, Void


async def test_close_actions_run_latest_first_and_once() -> None:
    done: list[str] = []

    async def second() -> None:
        done.append("second")

    session = Session(Identity(), lambda *_: None)
    session.on_close(lambda: done.append("first"))
    session.on_close(second)
    await session.close()
    await session.close()
    assert done == ["second", "first"]


async def test_a_close_action_can_be_taken_back() -> None:
    done: list[str] = []
    session = Session(Identity(), lambda *_: None)
    take_back = session.on_close(lambda: done.append("no"))
    take_back()
    take_back()
    await session.close()
    assert done == []


async def test_a_failing_action_does_not_keep_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    def fails() -> None:
        raise OSError("no such thing")

    session = Session(Identity(), lambda *_: None)
    session.on_close(lambda: done.append("kept"))
    session.on_close(fails)
    with caplog.at_level(logging.ERROR):
        await session.close()
    assert done == ["kept"]
    assert "no such thing" in caplog.text


async def test_events_end_with_the_session() -> None:
    seen: list[tuple[Record, bytes | None]] = []

    def sink(procedure: Procedure[object, Void], message: Record, encoded: bytes | None) -> None:
        seen.append((message, encoded))

    session = Session(Identity(), sink)
    session.send_event(domain.DOMAIN_EVENT_LIFECYCLE, VOID)
    session.send_event(domain.DOMAIN_EVENT_LIFECYCLE, VOID, b"")
    await session.close()
    session.send_event(domain.DOMAIN_EVENT_LIFECYCLE, VOID)
    assert seen == [(VOID, None), (VOID, b"")]


def test_identity_of_this_process() -> None:
    identity = Identity.of_this_process(readonly=True)
    assert (identity.uid, identity.gid, identity.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert identity.readonly
