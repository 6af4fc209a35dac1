# SPDX-License-Identifier: Apache-2.0
"""The monitor's connection, against a QEMU that is only its monitor."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.qemu import FakeQemu
from virloom.drivers.qemu.monitor import Event, Limits, Monitor, QmpError
from virloom.drivers.qemu.monitor.protocol import Failure
from virloom.errors import (
    InternalError,
    OperationFailed,
    OperationTimeout,
    SystemFailure,
    VirloomError,
)
from virloom.host.files import Directory


@pytest.fixture
async def qemu() -> AsyncIterator[FakeQemu]:
    with FakeQemu({"query-status": {"running": True, "status": "running"}, "echo": dict}) as fake:
        yield fake


@pytest.fixture
async def monitor(qemu: FakeQemu) -> AsyncIterator[Monitor]:
    monitor = await Monitor.connect(qemu.connection(), guest="web")
    yield monitor
    monitor.close()


def closings(monitor: Monitor) -> asyncio.Queue[VirloomError | None]:
    queue: asyncio.Queue[VirloomError | None] = asyncio.Queue()
    monitor.on_close = queue.put_nowait
    return queue


# Connecting


async def test_connecting_negotiates_and_knows_the_version(monitor: Monitor) -> None:
    assert monitor.greeting is not None
    assert monitor.greeting.version["qemu"]["major"] == 7


async def test_a_path_of_any_length_and_again_after_a_close(qemu: FakeQemu, tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 200)
    directory.mkdir()
    with Directory(directory) as here:
        qemu.listen(Path(here.path_for("monitor.sock")))
    for _ in range(2):
        monitor = await Monitor.connect(directory / "monitor.sock")
        assert await monitor.execute("query-status") == {"running": True, "status": "running"}
        monitor.close()


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match=r"Unable to connect to '.*/monitor\.sock'"):
        await Monitor.connect(tmp_path / "monitor.sock")


async def test_commands_may_be_sent_before_the_greeting(qemu: FakeQemu) -> None:
    monitor = Monitor(qemu.connection(), guest="web")
    future = monitor.submit("query-status")
    await monitor.ready()
    assert (await future)["running"] is True
    monitor.close()


async def test_a_qemu_that_says_nothing(qemu: FakeQemu) -> None:
    qemu.greets, qemu.silent = False, True
    connection = qemu.connection()
    with pytest.raises(OperationTimeout, match=r"QEMU of guest 'web' did not give its greeting"):
        await Monitor.connect(connection, guest="web", timeout=0.05)
    assert connection.fileno() == -1


async def test_a_qemu_that_is_none(qemu: FakeQemu) -> None:
    qemu.greets, qemu.silent = False, True
    connecting = asyncio.ensure_future(Monitor.connect(qemu.connection(), guest="web"))
    await asyncio.sleep(0)
    qemu.raw(b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(OperationFailed, match=r"malformed JSON.*SSH-2.0"):
        await connecting


async def test_a_cancelled_connection_leaves_nothing_open(qemu: FakeQemu) -> None:
    qemu.silent = True
    connection = qemu.connection()
    connecting = asyncio.ensure_future(Monitor.connect(connection))
    await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert connection.fileno() == -1


# Commands


async def test_arguments_come_as_mapping_and_as_keywords(monitor: Monitor) -> None:
    answer = await monitor.execute("echo", {"node-name": "disk"}, size=1)
    assert answer == {"node-name": "disk", "size": 1}


async def test_a_refusal_says_command_class_and_words(monitor: Monitor, qemu: FakeQemu) -> None:
    qemu.answers["eject"] = Failure("DeviceNotFound", "Device 'x' not found")
    with pytest.raises(QmpError) as caught:
        await monitor.execute("eject", id="x")
    assert caught.value.kind == "DeviceNotFound"
    assert caught.value.message == (
        "internal error: unable to execute QEMU command 'eject': Device 'x' not found"
    )
    assert caught.value.code == InternalError.code


async def test_pipelined_commands_are_all_sent_before_an_answer(
    monitor: Monitor, qemu: FakeQemu
) -> None:
    qemu.silent = True
    futures = [monitor.submit("echo", {"n": n}) for n in range(50)]
    await qemu.heard("echo")
    assert [command.arguments["n"] for command in qemu.commands] == list(range(50))
    qemu.speak()
    assert [answer["n"] for answer in await asyncio.gather(*futures)] == list(range(50))


async def test_a_timeout_names_the_command_and_spares_the_others(
    monitor: Monitor, qemu: FakeQemu
) -> None:
    qemu.silent = True
    patient = monitor.submit("query-status")
    with pytest.raises(
        OperationTimeout,
        match=r"QEMU of guest 'web' did not give an answer to 'echo' within 0\.05 seconds",
    ):
        await monitor.execute("echo", timeout=0.05)
    qemu.speak()
    assert (await patient)["running"] is True
    assert await monitor.execute("echo", n=1) == {"n": 1}


async def test_a_limit_that_nobody_names_is_the_monitors(qemu: FakeQemu) -> None:
    monitor = await Monitor.connect(qemu.connection(), guest="web", patience=0.05)
    qemu.silent = True
    waiting = monitor.submit("query-status", timeout=None)
    with pytest.raises(OperationTimeout, match=r"an answer to 'echo' within 0\.05 seconds"):
        await monitor.execute("echo")
    assert not waiting.done()
    monitor.close()
    with pytest.raises(OperationFailed):
        await waiting


async def test_a_cancelled_waiter_does_not_disturb_the_others(
    monitor: Monitor, qemu: FakeQemu
) -> None:
    qemu.silent = True
    waiters = [asyncio.ensure_future(monitor.execute("echo", n=n)) for n in range(3)]
    await qemu.heard("echo")
    waiters[1].cancel()
    await asyncio.sleep(0)
    qemu.speak()
    assert await waiters[0] == {"n": 0}
    assert await waiters[2] == {"n": 2}
    assert waiters[1].cancelled()
    assert not monitor.closed


async def test_no_more_commands_than_allowed_await_an_answer(qemu: FakeQemu) -> None:
    monitor = await Monitor.connect(qemu.connection(), limits=Limits(commands=2))
    qemu.silent = True
    held = [monitor.submit("echo"), monitor.submit("echo")]
    with pytest.raises(OperationFailed, match="too many commands await QEMU to send 'echo'"):
        await monitor.execute("echo")
    await qemu.heard("echo")
    qemu.speak()
    await asyncio.gather(*held)
    assert await monitor.execute("echo") == {}
    monitor.close()


async def test_commands_that_do_not_fit_the_socket_are_sent_later(
    monitor: Monitor, qemu: FakeQemu
) -> None:
    text = "x" * 300_000
    futures = [monitor.submit("echo", {"n": n, "text": text}) for n in range(5)]
    answers = await asyncio.gather(*futures)
    assert [answer["n"] for answer in answers] == list(range(5))
    assert all(answer["text"] == text for answer in answers)


# Descriptors


def same_file(one: int, other: int) -> bool:
    return os.path.sameopenfile(one, other)


async def test_a_descriptor_goes_beside_its_command(
    monitor: Monitor, qemu: FakeQemu, tmp_path: Path
) -> None:
    qemu.answers["getfd"] = {}
    with (tmp_path / "file").open("wb") as file:
        await monitor.execute("getfd", fdname="x", fds=[file.fileno()])
        assert len(qemu.fds) == 1
        assert same_file(qemu.fds[0], file.fileno())


async def test_a_descriptor_that_waits_may_be_closed_by_its_owner(
    monitor: Monitor, qemu: FakeQemu, tmp_path: Path
) -> None:
    qemu.answers["getfd"] = {}
    text = "x" * 1_000_000
    first = monitor.submit("echo", {"text": text})
    path = tmp_path / "file"
    with path.open("wb") as file:
        second = monitor.submit("getfd", {"fdname": "x"}, fds=[file.fileno()])
    third = monitor.submit("echo", {"n": 3})
    await asyncio.gather(first, second, third)
    assert qemu.names == ["echo", "getfd", "echo"]
    with path.open("rb") as again:
        assert same_file(qemu.fds[0], again.fileno())


async def test_descriptors_that_were_never_sent_are_closed(
    monitor: Monitor, qemu: FakeQemu
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    monitor.submit("echo", {"text": "x" * 1_000_000})
    reader, writer = os.pipe()
    futures = [monitor.submit("getfd", {"fdname": "x"}, fds=[writer]) for _ in range(3)]
    os.close(writer)
    monitor.close()
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert len(os.listdir("/proc/self/fd")) == before - 1
    for future in futures:
        with pytest.raises(OperationFailed):
            await future


# Events


async def test_events_come_in_order_between_answers(monitor: Monitor, qemu: FakeQemu) -> None:
    seen: list[Any] = []
    monitor.on_event = lambda event: seen.append(event.name)

    def answer(arguments: Any) -> dict[str, Any]:
        qemu.event("STOP")
        qemu.event("RESUME")
        return {}

    qemu.answers["cont"] = answer
    await monitor.execute("cont")
    assert seen == ["STOP", "RESUME"]


async def test_events_before_there_is_a_callback_are_kept(monitor: Monitor, qemu: FakeQemu) -> None:
    qemu.event("POWERDOWN", seconds=5)
    await monitor.execute("query-status")
    seen: list[Event] = []
    monitor.on_event = seen.append
    assert seen == [Event("POWERDOWN", {}, 5, -1)]


async def test_a_callback_that_fails_costs_no_answer(monitor: Monitor, qemu: FakeQemu) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def failing(event: Event) -> None:
        raise LookupError(event.name)

    monitor.on_event = failing
    qemu.event("STOP")
    assert (await monitor.execute("query-status"))["running"] is True
    assert isinstance(reported[0]["exception"], LookupError)
    assert "guest 'web'" in reported[0]["message"]


async def test_a_flood_of_events_ends_the_connection(qemu: FakeQemu) -> None:
    monitor = await Monitor.connect(
        qemu.connection(), guest="web", limits=Limits(event_burst=100, event_rate=1)
    )
    seen: list[Event] = []
    monitor.on_event = seen.append
    closed = closings(monitor)
    qemu.silent = True
    future = monitor.submit("query-status")
    for _ in range(200):
        qemu.event("BLOCK_IO_ERROR")
    with pytest.raises(OperationFailed, match=r"'query-status' was not answered: .*flood of"):
        await future
    assert len(seen) == 100
    error = await closed.get()
    assert error is not None
    assert "a flood of events" in error.message


# The end


async def test_a_break_off_tells_each_waiter_what_it_waited_for(
    monitor: Monitor, qemu: FakeQemu
) -> None:
    closed = closings(monitor)
    qemu.silent = True
    futures = [monitor.submit("query-status"), monitor.submit("echo")]
    await qemu.heard("echo")
    qemu.break_off()
    for future, name in zip(futures, ("query-status", "echo"), strict=True):
        with pytest.raises(
            OperationFailed,
            match=f"'{name}' was not answered: QEMU closed the monitor of guest 'web'",
        ):
            await future
    error = await closed.get()
    assert isinstance(error, OperationFailed)
    with pytest.raises(OperationFailed, match="'cont' was not answered"):
        await monitor.execute("cont")


async def test_what_was_sent_before_a_break_off_is_heard(monitor: Monitor, qemu: FakeQemu) -> None:
    seen: list[str] = []
    monitor.on_event = lambda event: seen.append(event.name)
    closed = closings(monitor)
    qemu.event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    qemu.break_off()
    future = monitor.submit("query-status")
    with pytest.raises(OperationFailed, match=r"QEMU (closed|broke off) the monitor"):
        await future
    assert seen == ["SHUTDOWN"]
    assert await closed.get() is not None


async def test_closing_fails_waiters_and_reports_once(monitor: Monitor, qemu: FakeQemu) -> None:
    closed = closings(monitor)
    qemu.silent = True
    future = monitor.submit("query-status")
    monitor.close()
    monitor.close()
    with pytest.raises(OperationFailed, match="the monitor was closed"):
        await future
    assert closed.get_nowait() is None
    assert closed.empty()


async def test_whoever_asks_late_is_told_of_the_end(monitor: Monitor, qemu: FakeQemu) -> None:
    future = monitor.submit("wait-for-ever")
    qemu.break_off()
    with pytest.raises(VirloomError):
        await future
    error = await closings(monitor).get()
    assert error is not None


async def test_nobody_needs_to_look_at_a_dropped_failure(monitor: Monitor, qemu: FakeQemu) -> None:
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    qemu.silent = True
    future = monitor.submit("query-status")
    qemu.break_off()
    await asyncio.sleep(0.01)
    assert future.done()
    del future
    gc.collect()
    assert reported == []
