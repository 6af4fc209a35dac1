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
    balloon,
    block,
    character,
    cpu,
    descriptors,
    display,
    input,
    network,
    raw,
    status,
)
from virloom.drivers.qemu.monitor.keys import to_qnum
from virloom.drivers.qemu.monitor.protocol import Failure
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


@pytest.mark.parametrize(
    ("call", "name", "arguments"),
    [
        (status.cont, "cont", {}),
        (status.stop, "stop", {}),
        (status.quit, "quit", {}),
        (status.system_powerdown, "system_powerdown", {}),
        (status.system_reset, "system_reset", {}),
        (status.system_wakeup, "system_wakeup", {}),
        (lambda m: balloon.set_balloon(m, 1 << 28), "balloon", {"value": 1 << 28}),
        (
            lambda m: balloon.set_polling_interval(m, balloon.peripheral("balloon0"), 5),
            "qom-set",
            {
                "path": "/machine/peripheral/balloon0",
                "property": "guest-stats-polling-interval",
                "value": 5,
            },
        ),
        (lambda m: network.set_link(m, "net0", False), "set_link", {"name": "net0", "up": False}),
        (lambda m: descriptors.remove_fd(m, 3), "remove-fd", {"fdset-id": 3}),
        (
            lambda m: display.set_vnc_password(m, "x"),
            "set_password",
            {"protocol": "vnc", "password": "x", "connected": "keep"},
        ),
        (
            lambda m: display.expire_vnc_password(m, "now"),
            "expire_password",
            {"protocol": "vnc", "time": "now"},
        ),
    ],
)
async def test_commands_without_an_answer(
    qemu: FakeQemu,
    monitor: Monitor,
    call: Callable[[Monitor], Awaitable[None]],
    name: str,
    arguments: dict[str, Any],
) -> None:
    qemu.answers[name] = {}
    await call(monitor)
    assert [(command.name, command.arguments) for command in qemu.commands] == [(name, arguments)]


async def test_status(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["query-status"] = {"running": False, "singlestep": False, "status": "prelaunch"}
    assert await status.query_status(monitor) == status.Status(False, "prelaunch")
    assert status.version(monitor) == (7, 2, 22)


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


async def test_features_of_a_processor(qemu: FakeQemu, monitor: Monitor) -> None:
    word = {"cpuid-register": "EDX", "cpuid-input-eax": 1, "features": 0b101}
    deep = {**word, "cpuid-input-ecx": 0, "cpuid-register": "EBX", "cpuid-input-eax": 7}
    answers = {
        "feature-words": [word, deep],
        "filtered-features": [word],
        "unavailable-features": ["avx2"],
    }
    qemu.answers["qom-get"] = lambda arguments: answers[arguments["property"]]
    features = await cpu.cpu_features(monitor)
    assert features == cpu.CpuFeatures(
        (cpu.FeatureWord(1, None, "EDX", 5), cpu.FeatureWord(7, 0, "EBX", 5)),
        (cpu.FeatureWord(1, None, "EDX", 5),),
        ("avx2",),
    )
    assert qemu.names == ["qom-get"] * 3


async def test_a_processor_without_cpuid(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["qom-get"] = Failure("GenericError", "Property not found")
    assert await cpu.cpu_features(monitor) is None


async def test_balloon(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["query-balloon"] = {"actual": 268435456}
    qemu.answers["qom-get"] = {
        "stats": {"stat-free-memory": 1000, "stat-swap-in": 0, "stat-htlb-pgfail": 2**64 - 1},
        "last-update": 1700000000,
    }
    assert await balloon.query_balloon(monitor) == 268435456
    assert await balloon.guest_memory(monitor, balloon.peripheral("balloon0")) == (
        balloon.GuestMemory(1700000000, {"stat-free-memory": 1000, "stat-swap-in": 0})
    )


def counters(**given: int) -> dict[str, int]:
    return {
        **dict.fromkeys(block.BlockCounters._fields, 0),
        "failed_rd_operations": 3,
        **given,
    }


async def test_disk_counters_with_what_lies_below(qemu: FakeQemu, monitor: Monitor) -> None:
    below = {"node-name": "storage", "stats": counters(wr_highest_offset=99)}
    qemu.answers["query-blockstats"] = [
        {
            "device": "",
            "qdev": "/machine/peripheral/virtio-disk0/virtio-backend",
            "node-name": "format",
            "parent": below,
            "stats": counters(rd_bytes=512, rd_operations=1),
        },
        {"device": "x", "stats": counters()},
    ]
    disk, bare = await block.query_blockstats(monitor)
    assert disk.belongs_to("virtio-disk0")
    assert not disk.belongs_to("virtio-disk")
    assert disk.device == block.BlockCounters(rd_bytes=512, rd_operations=1)
    assert disk.backing["storage"].wr_highest_offset == 99
    assert list(disk.backing) == ["format", "storage"]
    assert bare == block.BlockStats("", "", block.BlockCounters(), {})


async def test_block_nodes(qemu: FakeQemu, monitor: Monitor) -> None:
    image = {"virtual-size": 1048576, "actual-size": 4096, "format": "qcow2", "filename": "/a"}
    node = {"node-name": "n", "drv": "qcow2", "file": "/a", "ro": False, "image": image}
    qemu.answers["query-named-block-nodes"] = [node]
    nodes = await block.query_named_block_nodes(monitor)
    assert nodes == {"n": block.BlockNode("n", "qcow2", "/a", 1048576, 4096, True)}
    assert qemu.commands[0].arguments == {"flat": True}


async def test_character_devices(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["query-chardev"] = [
        {"label": "charserial0", "filename": "pty:/dev/pts/3", "frontend-open": True},
        {"label": "charmonitor", "filename": "unix:/x,server=on", "frontend-open": False},
    ]
    devices = await character.query_chardev(monitor)
    assert devices["charserial0"].pty == "/dev/pts/3"
    assert devices["charmonitor"].pty is None


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


async def test_where_vnc_listens(qemu: FakeQemu, monitor: Monitor) -> None:
    qemu.answers["query-vnc"] = {
        "enabled": True, "auth": "none", "family": "ipv4", "service": "5900", "host": "127.0.0.1",
        "clients": [],
    }  # fmt: skip
    assert await display.query_vnc(monitor) == ("127.0.0.1", "5900", "ipv4", "none")
    qemu.answers["query-vnc"] = {"enabled": False}
    assert await display.query_vnc(monitor) == (None, None, None, None)


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
        ("query-status", status.query_status),
        ("query-cpus-fast", cpu.query_cpus_fast),
        ("query-balloon", balloon.query_balloon),
        ("query-blockstats", block.query_blockstats),
        ("query-named-block-nodes", block.query_named_block_nodes),
        ("query-chardev", character.query_chardev),
        ("query-vnc", display.query_vnc),
        ("query-rx-filter", lambda m: network.query_rx_filter(m, "net0")),
        ("human-monitor-command", lambda m: raw.human(m, "info cpus")),
        ("qom-get", lambda m: balloon.guest_memory(m, "/x")),
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
