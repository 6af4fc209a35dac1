# SPDX-License-Identifier: Apache-2.0
"""QEMU's own library as an independent peer of our codec's other end, which the fake speaks."""

from __future__ import annotations

import asyncio

import pytest
from qemu.qmp import ExecuteError, QMPClient

from tests.fakes.qemu import FakeQemu


async def test_the_library_understands_what_we_write() -> None:
    with FakeQemu({"echo": dict}) as qemu:
        client = QMPClient("peer")
        await client.connect(qemu.connection())
        assert await client.execute("echo", {"a": ["ä", None, 1]}) == {"a": ["ä", None, 1]}
        with pytest.raises(ExecuteError, match="nope has not been found"):
            await client.execute("nope")
        with client.listener() as listener:
            qemu.event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"}, seconds=7)
            async with asyncio.timeout(5):
                event = await listener.get()
        assert event["event"] == "SHUTDOWN"
        assert event["data"] == {"guest": True, "reason": "guest-shutdown"}
        await client.disconnect()
