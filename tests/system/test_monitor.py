# SPDX-License-Identifier: Apache-2.0
"""The monitor against a real QEMU, without a guest in it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from virloom.drivers.qemu.capabilities import find_emulator
from virloom.drivers.qemu.monitor import Event, Monitor, QmpError
from virloom.drivers.qemu.monitor.commands import block, cpu, display, input, network, raw
from virloom.drivers.qemu.monitor.events import Notice, Reset, Shutdown, TypedEvent, decode
from virloom.errors import OperationFailed, OperationTimeout
from virloom.host.files import Directory
from virloom.host.process import Process, SpawnRequest, spawn

DEVICES = (
    *("-machine", "q35,accel=tcg", "-m", "32", "-smp", "2", "-display", "none", "-vga", "none"),
    *("-device", "VGA,id=video0"),
    *("-netdev", "user,id=hostnet0", "-device", "virtio-net-pci,id=net0,netdev=hostnet0"),
    *("-blockdev", "null-co,size=1048576,node-name=disk", "-chardev", "null,id=charserial0"),
    *("-device", "virtio-blk-pci,id=virtio-disk0,drive=disk", "-serial", "chardev:charserial0"),
)


class Started(NamedTuple):
    """A QEMU and the way to its monitor."""

    process: Process
    path: Path


@pytest.fixture
async def qemu(tmp_path: Path) -> AsyncIterator[Started]:
    with Directory(tmp_path) as directory:
        listener = directory.listen_unix("monitor.sock")
    chardev = f"socket,id=charmonitor,fd={listener.fileno()},server=on,wait=off"
    argv = [find_emulator("x86_64"), "-S", "-nodefaults", "-no-user-config", *DEVICES]
    argv += ["-chardev", chardev, "-mon", "chardev=charmonitor,id=monitor,mode=control"]
    process = spawn(SpawnRequest(argv, pass_fds=[listener.fileno()]))
    listener.close()
    yield Started(process, tmp_path / "monitor.sock")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process.close()


@pytest.fixture
async def monitor(qemu: Started) -> AsyncIterator[Monitor]:
    monitor = await Monitor.connect(qemu.path, guest="bare")
    yield monitor
    monitor.close()


async def state_of(monitor: Monitor) -> str:
    answer = await monitor.execute("query-status")
    return str(answer["status"])


async def test_life_of_a_machine(qemu: Started, monitor: Monitor) -> None:
    seen: list[TypedEvent | None] = []
    monitor.on_event = lambda event: seen.append(decode(event))
    assert monitor.greeting is not None
    assert monitor.greeting.version["qemu"]["major"] >= 7
    assert await state_of(monitor) == "prelaunch"
    await monitor.execute("cont")
    assert await state_of(monitor) == "running"
    await monitor.execute("stop")
    assert await state_of(monitor) == "paused"
    await monitor.execute("system_reset")
    await monitor.execute("system_powerdown")
    with pytest.raises(QmpError, match="system_wakeup"):
        await monitor.execute("system_wakeup")
    await monitor.execute("quit")
    await qemu.process.wait()
    assert seen[:2] == [Notice("RESUME"), Notice("STOP")]
    assert Reset(False, "host-qmp-system-reset") in seen
    assert Notice("POWERDOWN") in seen
    assert seen[-1] == Shutdown(False, "host-qmp-quit")


async def test_a_hundred_pipelined_commands(monitor: Monitor) -> None:
    futures = [monitor.submit("query-status") for _ in range(100)]
    answers = await asyncio.gather(*futures)
    assert {answer["status"] for answer in answers} == {"prelaunch"}


async def test_the_monitor_can_be_connected_again(qemu: Started, monitor: Monitor) -> None:
    monitor.close()
    again = await Monitor.connect(qemu.path, guest="bare")
    assert await state_of(again) == "prelaunch"
    again.close()


async def test_large_answers_are_understood(monitor: Monitor) -> None:
    schema = await monitor.execute("query-qmp-schema")
    options = await monitor.execute("query-command-line-options")
    assert len(schema) > 500
    assert any(option["option"] == "netdev" or option["option"] == "device" for option in options)


async def test_statistics(qemu: Started, monitor: Monitor) -> None:
    cpus = await cpu.query_cpus_fast(monitor)
    assert [item.number for item in cpus] == [0, 1]
    assert {item.thread for item in cpus} <= set(
        map(int, os.listdir(f"/proc/{qemu.process.pid}/task"))
    )
    nodes = await block.query_named_block_nodes(monitor)
    assert nodes["disk"].virtual_size == 1048576
    assert (await network.query_rx_filter(monitor, "net0")).name == "net0"


@pytest.mark.parametrize(("format", "magic"), [("ppm", b"P6\n"), ("png", b"\x89PNG\r\n\x1a\n")])
async def test_screenshots(monitor: Monitor, format: display.ImageFormat, magic: bytes) -> None:
    await monitor.execute("cont")  # QEMU takes sets back only while the guest runs
    for device, head in ((None, None), ("video0", 0)):
        shot = await display.screenshot(monitor, device=device, head=head, format=format)
        with shot:
            assert shot.read().startswith(magic)
    # After a png QEMU 7.2 forgets to drop its record of the set, which is empty then.
    assert not any(one["fds"] for one in await monitor.execute("query-fdsets"))


async def test_a_screenshot_of_a_screen_that_is_not_there(monitor: Monitor) -> None:
    await monitor.execute("cont")
    with pytest.raises(QmpError, match=r"screendump.*nowhere"):
        await display.screenshot(monitor, device="nowhere")
    assert await monitor.execute("query-fdsets") == []


async def test_keys_and_text_commands(monitor: Monitor) -> None:
    await monitor.execute("cont")
    await input.send_key(monitor, [29, 56, 111], hold_ms=1)
    assert "VM status: running" in await raw.human(monitor, "info status")
    assert '"return":{"status":"running"' in await raw.qmp(monitor, '{"execute":"query-status"}')


async def test_descriptors_of_pipelined_commands_do_not_get_mixed_up(
    monitor: Monitor, tmp_path: Path
) -> None:
    sizes = range(10)
    futures = []
    for size in sizes:
        path = tmp_path / f"image{size}"
        path.write_bytes(b"\0" * 512 * size)
        with path.open("rb") as file:
            futures += [
                monitor.submit("query-status"),
                monitor.submit("add-fd", {"fdset-id": size + 100}, fds=[file.fileno()]),
                monitor.submit(
                    "blockdev-add",
                    {
                        "driver": "file",
                        "read-only": True,
                        "node-name": f"image{size}",
                        "filename": f"/dev/fdset/{size + 100}",
                    },
                ),
            ]
    await asyncio.gather(*futures)
    nodes = await block.query_named_block_nodes(monitor)
    assert [nodes[f"image{size}"].virtual_size for size in sizes] == [512 * size for size in sizes]


async def test_a_qemu_that_is_killed(qemu: Started, monitor: Monitor) -> None:
    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    monitor.on_close = ended.set_result
    qemu.process.send_signal(signal.SIGSTOP)
    future = monitor.submit("query-status")
    qemu.process.send_signal(signal.SIGKILL)
    with pytest.raises(OperationFailed, match="'query-status' was not answered: QEMU"):
        await future
    assert isinstance(await ended, OperationFailed)


async def test_a_qemu_that_hangs(qemu: Started, monitor: Monitor) -> None:
    qemu.process.send_signal(signal.SIGSTOP)
    with pytest.raises(OperationTimeout, match=r"guest 'bare'.*'query-status' within 0\.2 seconds"):
        await monitor.execute("query-status", timeout=0.2)
    qemu.process.send_signal(signal.SIGCONT)
    assert await state_of(monitor) == "prelaunch"


async def test_sigterm_is_told_before_the_end(qemu: Started, monitor: Monitor) -> None:
    events: list[Event] = []
    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    monitor.on_event, monitor.on_close = events.append, ended.set_result
    qemu.process.send_signal(signal.SIGTERM)
    await ended
    assert [decode(event) for event in events] == [Shutdown(False, "host-signal")]
