# SPDX-License-Identifier: Apache-2.0
"""The log of monitor conversations: complete, in order, without secrets."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.fakes.qemu import FakeQemu
from virloom.drivers.qemu.monitor import Monitor, QmpError

SECRET = "hunter2"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "virloom.qmp")
    return caplog


async def test_the_exchange_is_printed_in_order(log: pytest.LogCaptureFixture) -> None:
    with FakeQemu({"cont": {}}) as qemu:
        monitor = await Monitor.connect(qemu.connection(), guest="web")
        qemu.event("RESUME", {"x": 1})
        await monitor.execute("cont")
        with pytest.raises(QmpError):
            await monitor.execute("unheard-of")
        monitor.close()
    said = [record.getMessage().removeprefix("web: ") for record in log.records]
    assert said[0] == "-> 0 qmp_capabilities {}"
    assert said[1].startswith('<- greeting {"qemu":{"major":7')
    assert said[2:] == [
        "<- 0 {}",
        "-> 1 cont {}",
        '<- event RESUME {"x":1}',
        "<- 1 {}",
        "-> 2 unheard-of {}",
        "<- 2 CommandNotFound: The command unheard-of has not been found",
        "-- closed",
    ]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("set_password", {"protocol": "vnc", "password": SECRET}),
        ("object-add", {"qom-type": "secret", "id": "s0", "data": SECRET}),
        ("send-key", {"keys": [{"type": "qcode", "data": SECRET}]}),
        ("human-monitor-command", {"command-line": f"set_password vnc {SECRET}"}),
        ("transaction", {"actions": [{"type": "x", "data": {"secret": SECRET}}]}),
        ("qom-get", {"path": "/objects/s0", "property": "data"}),
    ],
)
async def test_secrets_are_masked(
    log: pytest.LogCaptureFixture, command: str, arguments: dict[str, Any]
) -> None:
    with FakeQemu({command: SECRET if command == "qom-get" else {}}) as qemu:
        monitor = await Monitor.connect(qemu.connection())
        await monitor.execute(command, arguments)
        assert qemu.commands[0].arguments == arguments
        monitor.close()
    assert command in log.text
    assert SECRET not in log.text


async def test_long_lines_are_cut(log: pytest.LogCaptureFixture) -> None:
    with FakeQemu({"query-block": "x" * 100_000}) as qemu:
        monitor = await Monitor.connect(qemu.connection())
        await monitor.execute("query-block")
        monitor.close()
    assert max(len(record.getMessage()) for record in log.records) < 3000
    assert "and 98" in log.text
