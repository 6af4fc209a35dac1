# SPDX-License-Identifier: Apache-2.0
"""Typed commands: what they send, what they make of answers, and of answers of another form."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.fakes.qemu import FakeQemu
from virloom.drivers.qemu.monitor import Monitor, QmpError
from virloom.drivers.qemu.monitor.commands import (
    block,
    cpu,
    descriptors,
    display,
    input,
    network,
    raw,
    status,
)
from virloom.drivers.qemu.monitor.keys import to_qnum
from virloom.enums.domain import KeycodeSet
from virloom.errors import ArgumentUnsupported, InternalError, InvalidArg


@pytest.fixture
async def qemu() -> AsyncIterator[FakeQemu]:
    with FakeQemu() as fake:
        yield fake


@pytest.fixture
async def monitor(qemu: FakeQemu) -> AsyncIterator[Monitor]:
    monitor = await Monitor.connect(qemu.connection())
    yield monitor
    monitor.close()


async def test_processors_by_number(qemu: FakeQemu, monitor: Monitor) -> None:
    one = {
        "cpu-index": 1, "thread-id": 11, "qom-path": "/machine/unattached/device[2]",
        "props": {"socket-id": 1, "core-id": 0, "thread-id": 0}, "target": "x86_64",
    }  # fmt: skip
    zero = {**one, "cpu-index": 0, "thread-id": 10}
    qemu.answers["query-cpus-fast"] = [one, zero]
    cpus = await cpu.query_cpus_fast(monitor)
    assert [(item.number, item.thread) for item in cpus] == [(0, 10), (1, 11)]
    assert cpus[1].position == {"socket-id": 1, "core-id": 0, "thread-id": 0}


async def test_block_nodes(qemu: FakeQemu, monitor: Monitor) -> None:
    image = {"virtual-size": 1048576, "actual-size": 4096, "format": "qcow2", "filename": "/a"}
    node = {"node-name": "n", "drv": "qcow2", "file": "/a", "ro": False, "image": image}
    qemu.answers["query-named-block-nodes"] = [node]
    nodes = await block.query_named_block_nodes(monitor)
    assert nodes == {"n": block.BlockNode("n", "qcow2", "/a", 1048576, 4096, True)}
    assert qemu.commands[0].arguments == {"flat": True}


async def test_a_screenshot_is_written_through_a_lent_descriptor(
    qemu: FakeQemu, monitor: Monitor
) -> None:
    def dump(arguments: Any) -> dict[str, Any]:
        assert arguments == {
            "filename": "/dev/fdset/4", "device": "video0", "head": 1, "format": "png",
        }  # fmt: skip
        os.write(qemu.fds[0], b"\x89PNG")
        return {}

    qemu.answers |= {"add-fd": {"fdset-id": 4, "fd": 9}, "screendump": dump, "remove-fd": {}}
    image = await display.screenshot(monitor, device="video0", head=1, format="png")
    with image:
        assert image.read() == b"\x89PNG"
    await qemu.heard("remove-fd")
    assert qemu.names == ["add-fd", "screendump", "remove-fd"]


async def test_a_refused_screenshot_leaves_nothing(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers |= {"add-fd": {"fdset-id": 4, "fd": 9}, "remove-fd": {}}
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(QmpError, match="screendump"):
        await display.screenshot(monitor)
    await qemu.heard("remove-fd")
    # The fake keeps the copy that came over the socket.
    assert len(os.listdir("/proc/self/fd")) == before + 1


async def test_receive_filter(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["query-rx-filter"] = [
        {
            "name": "net0", "main-mac": "52:54:00:12:34:56", "promiscuous": False,
            "multicast": "normal", "unicast": "normal", "vlan": "all", "broadcast-allowed": True,
            "multicast-overflow": False, "unicast-overflow": True,
            "multicast-table": ["01:00:5e:00:00:01"], "unicast-table": [], "vlan-table": [4],
        }
    ]  # fmt: skip
    found = await network.query_rx_filter(monitor, "net0")
    assert (found.mac, found.overflow) == ("52:54:00:12:34:56", True)
    assert found.multicast_table == ("01:00:5e:00:00:01",)
    assert found.vlan_table == (4,)


# Keys


async def test_keys_are_sent_as_numbers(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["send-key"] = {}
    await input.send_key(monitor, [29, 56, 111], hold_ms=50)
    assert qemu.commands[0].arguments == {
        "keys": [{"type": "number", "data": number} for number in (29, 56, 0xD3)],
        "hold-time": 50,
    }


@pytest.mark.parametrize(
    ("codeset", "code", "qnum"),
    [
        (KeycodeSet.LINUX, 30, 30),
        (KeycodeSet.LINUX, 96, 0x9C),
        (KeycodeSet.LINUX, 103, 0xC8),
        (KeycodeSet.LINUX, 119, 0xC6),
        (KeycodeSet.XT, 30, 30),
        (KeycodeSet.ATSET1, 88, 88),
        (KeycodeSet.XT_KBD, 0x153, 0xD3),
        (KeycodeSet.USB, 4, 30),
        (KeycodeSet.USB, 76, 0xD3),
        (KeycodeSet.USB, 228, 0x9D),
        (KeycodeSet.QNUM, 0xD3, 0xD3),
    ],
)
def test_key_codes(codeset: KeycodeSet, code: int, qnum: int) -> None:
    assert to_qnum(codeset, code) == qnum


def test_every_key_of_linux_has_a_number_of_its_own() -> None:
    known = [code for code in range(256) if has_number(code)]
    numbers = [to_qnum(KeycodeSet.LINUX, code) for code in known]
    # KEY_KATAKANAHIRAGANA and KEY_ISO share a scan code, as do KEY_SYSRQ and the unnamed 84.
    assert len(numbers) - len(set(numbers)) == 2
    assert len(known) > 180


def has_number(code: int) -> bool:
    try:
        to_qnum(KeycodeSet.LINUX, code)
    except InternalError:
        return False
    return True


@pytest.mark.parametrize("code", [0, 122, 255, 70_000, -1])
def test_codes_that_are_no_key(code: int) -> None:
    with pytest.raises(
        InternalError, match=f"cannot translate keycode {code} of linux codeset to qnum keycode"
    ):
        to_qnum(KeycodeSet.LINUX, code)


def test_a_codeset_without_a_table() -> None:
    with pytest.raises(ArgumentUnsupported, match="win32"):
        to_qnum(KeycodeSet.WIN32, 65)


# Commands as text


async def test_the_human_monitor(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["human-monitor-command"] = lambda arguments: json.dumps(arguments)
    assert json.loads(await raw.human(monitor, "info cpus", 1)) == {
        "command-line": "info cpus",
        "cpu-index": 1,
    }


async def test_qmp_as_text(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["echo"] = dict
    text = '{"execute": "echo", "arguments": {"a": 1}, "id": "mine"}'
    assert json.loads(await raw.qmp(monitor, text)) == {"return": {"a": 1}, "id": "mine"}
    assert json.loads(await raw.qmp(monitor, '{"execute": "nope"}')) == {
        "error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}
    }


@pytest.mark.parametrize(
    "text",
    ["[]", '{"execute": 1}', '{"execute": "x", "arguments": []}',
     '{"execute": "x", "control": {}}', '{"exec-oob": "x"}', " " * (1 << 21)],
)  # fmt: skip
async def test_text_that_is_no_command(qemu: FakeQemu, monitor: Monitor, text: str) -> None:
    with pytest.raises(InvalidArg, match="cannot send this as a QMP command"):
        await raw.qmp(monitor, text)
    assert qemu.commands == []


@pytest.mark.parametrize("text", ["", "query-status", "[" * 100_000])
async def test_text_that_is_no_json(qemu: FakeQemu, monitor: Monitor, text: str) -> None:
    with pytest.raises(InternalError, match="cannot parse json"):
        await raw.qmp(monitor, text)
    assert qemu.commands == []


# Answers of another form


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("query-cpus-fast", cpu.query_cpus_fast),
        ("query-named-block-nodes", block.query_named_block_nodes),
        ("query-rx-filter", lambda m: network.query_rx_filter(m, "net0")),
        ("human-monitor-command", lambda m: raw.human(m, "info cpus")),
        ("query-current-machine", status.can_be_woken),
        ("add-fd", lambda m: descriptors.add_fd(m, 0)),
    ],
)
@pytest.mark.parametrize("answer", [None, 7, [1], [None]])
async def test_answers_of_another_form(
    qemu: FakeQemu,
    monitor: Monitor,
    name: str,
    call: Callable[[Monitor], Awaitable[Any]],
    answer: Any,
) -> None:
    qemu.answers[name] = answer
    with pytest.raises(InternalError, match=f"QEMU's answer to '{name}' has not the expected form"):
        await call(monitor)
