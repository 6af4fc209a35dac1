# SPDX-License-Identifier: Apache-2.0
"""The cache and its probes, with an emulator that answers, hangs, dies or lies to order."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.emulator import CPU_MODELS, FakeEmulator
from virloom.drivers.qemu.capabilities import BinaryCaps, CapabilityCache, Parts
from virloom.drivers.qemu.capabilities import cache as cache_module
from virloom.errors import InternalError, OperationTimeout, SystemFailure

pytestmark = pytest.mark.processes


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache_module.forget()
    yield
    cache_module.forget()


@pytest.fixture
def emulator(tmp_path: Path) -> FakeEmulator:
    return FakeEmulator(tmp_path)


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[CapabilityCache]:
    cache = CapabilityCache(tmp_path / "cache", timeout=20)
    yield cache
    await cache.close()


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "capabilities").iterdir())


async def test_a_binary_is_asked_once(cache: CapabilityCache, emulator: FakeEmulator) -> None:
    caps = await cache.get(emulator.path, Parts.ALL)
    assert caps.parts == Parts.ALL
    assert await cache.get(emulator.path, Parts.BASE) is caps
    assert emulator.starts == 1


async def test_another_process_finds_the_file(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path
) -> None:
    first = await cache.get(emulator.path, Parts.ALL)
    cache_module.forget()
    again = await CapabilityCache(tmp_path / "cache").get(emulator.path, Parts.ALL)
    assert emulator.starts == 1
    assert again is not first
    assert again.cpu_models == first.cpu_models
    assert files(tmp_path)[0].stat().st_mode & 0o777 == 0o600


async def test_callers_at_once_share_a_probe(
    cache: CapabilityCache, emulator: FakeEmulator
) -> None:
    results = await asyncio.gather(*(cache.get(emulator.path, Parts.ALL) for _ in range(5)))
    assert all(caps is results[0] for caps in results)
    assert emulator.starts == 1


async def test_a_cancelled_caller_does_not_cost_the_others(
    cache: CapabilityCache, emulator: FakeEmulator
) -> None:
    callers = [asyncio.ensure_future(cache.get(emulator.path, Parts.ALL)) for _ in range(2)]
    await asyncio.sleep(0)
    callers[0].cancel()
    assert (await callers[1]).parts == Parts.ALL
    assert callers[0].cancelled()


async def test_only_what_is_needed_is_asked_for(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path
) -> None:
    base = await cache.get(emulator.path, Parts.BASE)
    assert base.parts == Parts.BASE
    models = await cache.get(emulator.path, Parts.CPU_MODELS)
    assert models.parts == Parts.BASE | Parts.CPU_MODELS
    assert (await cache.get(emulator.path, Parts.DEVICES)).parts == Parts.ALL
    assert emulator.starts == 3
    assert len(files(tmp_path)) == 1


async def test_a_function_gets_what_it_asks_for(
    cache: CapabilityCache, emulator: FakeEmulator
) -> None:
    calls = []

    def function(caps: BinaryCaps) -> tuple[str, bool, str]:
        calls.append(caps.parts)
        machine = caps.machine("q35").name
        known = caps.has_device("VGA")
        return machine, known, caps.cpu_model("max").name

    assert await cache.apply(emulator.path, function) == ("pc-q35-7.2", True, "max")
    assert calls == [Parts.BASE, Parts.BASE | Parts.DEVICES, Parts.ALL]
    calls.clear()
    await cache.apply(emulator.path, function)
    assert calls == [Parts.ALL]


async def test_a_function_begins_with_what_its_caller_has(
    cache: CapabilityCache, emulator: FakeEmulator
) -> None:
    base = await cache.get(emulator.path)
    given = []

    def function(caps: BinaryCaps) -> str:
        given.append(caps)
        return caps.cpu_model("max").name

    assert await cache.apply(emulator.path, function, base) == "max"
    assert (given[0], given[1].parts) == (base, Parts.BASE | Parts.CPU_MODELS)
    Path(emulator.path).unlink()  # it is not looked at again
    assert await cache.apply(emulator.path, function, given[1]) == "max"


async def test_an_upgrade_is_noticed(cache: CapabilityCache, emulator: FakeEmulator) -> None:
    before = await cache.get(emulator.path, Parts.ALL)
    emulator.install({"query-cpu-definitions": CPU_MODELS[:1]})
    after = await cache.get(emulator.path, Parts.ALL)
    assert (len(before.cpu_models), len(after.cpu_models)) == (2, 1)
    assert emulator.starts == 2


async def test_a_binary_replaced_while_it_is_asked_is_asked_again(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path
) -> None:
    emulator.install(behaviour=f"import os; os.utime({emulator.path!r})")
    assert (await cache.get(emulator.path)).arch == "x86_64"
    assert not (tmp_path / "cache").exists()
    await cache.get(emulator.path)
    assert emulator.starts == 2


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"identity": 1}', b'{"identity": [], "facts": {}}', b"\xff\xfe",
     b"[" * 100_000],
)  # fmt: skip
async def test_a_damaged_file_is_replaced(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path, damage: bytes
) -> None:
    await cache.get(emulator.path, Parts.ALL)
    (file,) = files(tmp_path)
    whole = json.loads(file.read_bytes())
    file.write_bytes(damage)
    cache_module.forget()
    assert (await cache.get(emulator.path, Parts.ALL)).parts == Parts.ALL
    assert json.loads(file.read_bytes()) == whole
    assert emulator.starts == 2


async def test_a_file_of_another_binary_is_not_believed(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path
) -> None:
    await cache.get(emulator.path, Parts.ALL)
    (file,) = files(tmp_path)
    data = json.loads(file.read_bytes())
    data["identity"][0][1] += 1
    file.write_text(json.dumps(data))
    cache_module.forget()
    await cache.get(emulator.path, Parts.ALL)
    assert emulator.starts == 2


async def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    emulator: FakeEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    cache = CapabilityCache(tmp_path / "cache")
    assert (await cache.get(emulator.path, Parts.ALL)).parts == Parts.ALL
    await cache.close()
    assert "are not kept" in caplog.text


async def test_no_such_binary(cache: CapabilityCache) -> None:
    with pytest.raises(SystemFailure, match="Cannot check QEMU binary /nowhere/qemu"):
        await cache.get("/nowhere/qemu")


async def test_a_file_that_is_no_program(cache: CapabilityCache, tmp_path: Path) -> None:
    path = tmp_path / "qemu"
    path.write_text("text")
    with pytest.raises(SystemFailure, match=r"Unable to start '.*/qemu': Permission denied"):
        await cache.get(str(path))


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("sys.exit(0)", "it ended without an answer"),
        ("sys.exit('no such library')", "ended without an answer; it said: no such library"),
        ("print('Usage: qemu', flush=True); time.sleep(60)", "malformed JSON.*Usage: qemu"),
        ("print('x' * (17 << 20), flush=True); time.sleep(60)", "a line of more than 16777216"),
        ("answers['query-machines'] = None", "answers of an unknown form"),
        ("answers['query-machines'] = [{}]", "answers of an unknown form"),
        ("del answers['query-target']", "answers of an unknown form"),
    ],
)
async def test_a_binary_that_is_no_qemu(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path, behaviour: str, message: str
) -> None:
    emulator.install(behaviour=behaviour)
    with pytest.raises(InternalError, match=f"cannot find out what emulator .*{message}"):
        await cache.get(emulator.path, Parts.ALL)
    assert not (tmp_path / "cache").exists()


async def test_a_binary_that_says_nothing_is_killed(emulator: FakeEmulator, tmp_path: Path) -> None:
    emulator.install(behaviour="time.sleep(60)")
    cache = CapabilityCache(tmp_path / "cache", timeout=0.2)
    with pytest.raises(OperationTimeout, match=r"did not say within 0\.2 seconds"):
        await cache.get(emulator.path, Parts.ALL)
    await cache.close()


async def test_a_cancelled_probe_kills_its_process(
    cache: CapabilityCache, emulator: FakeEmulator, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    emulator.install(behaviour=f"open({str(told)!r}, 'w').write('started'); time.sleep(60)")
    loop, started = asyncio.get_running_loop(), asyncio.Event()
    reader = os.open(told, os.O_RDONLY | os.O_NONBLOCK)
    loop.add_reader(reader, started.set)
    probe = asyncio.ensure_future(cache.get(emulator.path, Parts.ALL))
    await started.wait()
    loop.remove_reader(reader)
    os.close(reader)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    await cache.close()
