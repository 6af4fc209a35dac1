# SPDX-License-Identifier: Apache-2.0
"""Guests are saved, restored, and lost at no step of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import BootGuest, Lifecycle, PausedGuest, embedded, end_all
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import JobCompletedEvent, LifecycleEvent
from virloom.drivers.qemu.process.steps import LOADED, SAVE_STEPS, STEPS
from virloom.drivers.qemu.saving.image import PARTIAL
from virloom.enums.domain import (
    ConnectListAllDomainsFlags,
    DomainCreateFlags,
    DomainEventStoppedDetailType,
    DomainEventType,
    DomainGetJobStatsFlags,
    DomainJobOperation,
    DomainJobType,
    DomainPausedReason,
    DomainRunningReason,
    DomainSaveRestoreFlags,
    DomainShutoffReason,
    DomainState,
    DomainUndefineFlagsValues,
)
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationAborted,
    OperationFailed,
    OperationInvalid,
    SystemFailure,
)
from virloom.testing.documents import tiny_guest_xml

START_STEPS = STEPS[: STEPS.index("stopping-recorded")]
SAVER = Path(__file__).parents[1] / "fakes" / "saver.py"
_Flags = DomainSaveRestoreFlags


async def boot_id(dom: Domain) -> str:
    """The running guest's own word for which boot it is."""
    seen = b""

    async def until_told() -> str:
        nonlocal seen
        while not (found := re.search(rb"\n([0-9a-f-]{36})\r", seen)):
            seen += await console.read()
        return found.group(1).decode()

    async with dom.console() as console, asyncio.timeout(40):
        # A guest that has been away a moment ago may lose what is typed at it meanwhile.
        while True:
            await console.write(b"\ncat /proc/sys/kernel/random/boot_id\n")
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(until_told(), 5)


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param("q35", marks=pytest.mark.long),
        pytest.param("pc", marks=pytest.mark.long),
        "microvm",
    ],
)
async def test_the_guest_goes_on(
    machine: str, conn: Connection, boot: BootGuest, tmp_path: Path, lifecycle: Lifecycle
) -> None:
    booted = await boot("web", machine=machine)
    file = str(tmp_path / "web.save")
    await booted.domain.saving.save(file)
    assert await conn.list_all_domains() == []
    await conn.restore(file)
    dom = await conn.lookup_by_name("web")
    assert await boot_id(dom) == booted.boot_id
    state = await dom.state()
    assert (state.state, state.reason) == (DomainState.RUNNING, DomainRunningReason.RESTORED)
    seen = await lifecycle.until(DomainEventType.STOPPED)
    assert seen[-2:] == ["SUSPENDED PAUSED", "STOPPED SAVED"]
    await dom.suspend()
    seen = await lifecycle.until(DomainEventType.SUSPENDED)
    assert seen[:2] == ["STARTED RESTORED", "RESUMED FROM_SNAPSHOT"]


@pytest.mark.parametrize("packing", ["raw", "gzip", "bzip2", "xz"])
@pytest.mark.parametrize("flags", [0, _Flags.BYPASS_CACHE])
async def test_packed_and_past_the_cache(
    packing: str, flags: int, root: Path, tmp_path: Path
) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text(f'save_image_format = "{packing}"\n')
    async with virloom.open(embedded(root)) as conn:
        document = tiny_guest_xml("web", machine="microvm", memory_mib=96)
        dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        file = str(tmp_path / "web.save")
        await dom.saving.save(file, flags=flags | _Flags.RUNNING)
        await conn.restore(file, flags=flags)
        dom = await conn.lookup_by_name("web")
        assert (await dom.state()).state == DomainState.RUNNING
        await end_all(conn)


@pytest.mark.parametrize(
    ("format", "words"), [("zip", "Invalid save image format"), ("lzop", "isn't available")]
)
async def test_a_packing_that_is_not_there(
    format: str, words: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text(f'save_image_format = "{format}"\n')
    async with virloom.open(embedded(root)) as conn:
        document = tiny_guest_xml("web", machine="microvm")
        dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        with pytest.raises(OperationFailed, match=words):
            await dom.saving.save(str(tmp_path / "web.save"))
        await end_all(conn)


@pytest.fixture
def endless_packing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for packing that takes what it is given, and never ends."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text('save_image_format = "xz"\ndump_image_format = "xz"\n')
    program = tmp_path / "xz"
    program.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/packing\nhead -c 1000000 > /dev/null\nexec sleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize("how", ["save", "dump"])
async def test_a_job_can_be_given_up(
    how: str, root: Path, tmp_path: Path, endless_packing: None
) -> None:
    file = tmp_path / "web.save"
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.create_xml(tiny_guest_xml("web", machine="microvm"))
        work = dom.saving.save(str(file)) if how == "save" else dom.saving.core_dump(str(file))
        saving = asyncio.create_task(work)
        async with asyncio.timeout(20):
            while (info := await dom.jobs.info()).data_processed == 0:
                await asyncio.sleep(0.02)
        assert info.type == DomainJobType.UNBOUNDED
        assert info.data_total > 100 << 20
        state = await dom.state()
        reason = DomainPausedReason.SAVE if how == "save" else DomainPausedReason.DUMP
        assert (state.state, state.reason) == (DomainState.PAUSED, reason)
        await dom.jobs.abort()
        with pytest.raises(OperationAborted, match=f"domain {how} job: canceled by client"):
            await saving
        assert (await dom.state()).state == DomainState.RUNNING
        assert not file.exists()
        with pytest.raises(OperationInvalid, match="no job is active"):
            await dom.jobs.abort()
        await end_all(conn)


async def test_a_guest_is_destroyed_while_it_is_saved(
    root: Path, tmp_path: Path, endless_packing: None
) -> None:
    file = tmp_path / "web.save"
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.create_xml(tiny_guest_xml("web", machine="microvm"))
        saving = asyncio.create_task(dom.saving.save(str(file)))
        async with asyncio.timeout(20):
            while (await dom.jobs.info()).data_processed == 0:
                await asyncio.sleep(0.02)
        await dom.destroy()
        with pytest.raises(virloom.VirloomError):
            await saving
        assert not file.exists()


async def test_a_restore_is_waited_for_and_leaves_no_figures(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As libvirt 9: whoever asks for the job meanwhile is answered when there is none any more."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text('save_image_format = "gzip"\n')
    file = str(tmp_path / "web.save")
    async with virloom.open(embedded(root)) as conn:
        document = tiny_guest_xml("web", machine="microvm")
        dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        await dom.saving.save(file)
        go = tmp_path / "go"
        program = tmp_path / "gzip"
        program.write_text(
            f'#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.05; done\nexec /bin/gzip "$@"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        restoring = asyncio.create_task(conn.restore(file))
        async with asyncio.timeout(20):
            while not await conn.list_all_domains(ConnectListAllDomainsFlags.ACTIVE):
                await asyncio.sleep(0.02)
        dom = await conn.lookup_by_name("web")
        asking = asyncio.create_task(dom.jobs.info())
        await asyncio.sleep(0.1)
        assert not restoring.done()
        assert not asking.done()
        go.touch()
        await restoring
        assert (await asking).type == DomainJobType.NONE
        assert (await dom.jobs.stats(DomainGetJobStatsFlags.COMPLETED)).type == DomainJobType.NONE
        await end_all(conn)


async def test_its_end_is_told_with_figures(
    conn: Connection, paused: PausedGuest, tmp_path: Path
) -> None:
    dom = await paused("web")
    async with conn.events(JobCompletedEvent) as events:
        await dom.saving.save(str(tmp_path / "web.save"))
        async with asyncio.timeout(5):
            event = await anext(events)
    assert isinstance(event, JobCompletedEvent)
    assert event.params["operation"] == DomainJobOperation.SAVE
    assert int(event.params["memory_total"]) > int(event.params["memory_processed"]) > 0


async def test_managed(conn: Connection, tmp_path: Path) -> None:
    document = tiny_guest_xml("web", machine="microvm")
    dom = await conn.define_xml(document)
    with pytest.raises(OperationInvalid, match="not running"):
        await dom.saving.managed_save()
    with pytest.raises(SystemFailure, match="managed save file"):
        await dom.saving.remove_managed_save()
    with pytest.raises(OperationInvalid, match="does not have managed save image"):
        await dom.saving.managed_save_xml_desc()
    await dom.create()
    await dom.saving.managed_save()
    assert await dom.saving.has_managed_save()
    state = await dom.state()
    assert (state.state, state.reason) == (DomainState.SHUTOFF, DomainShutoffReason.SAVED)
    found = await conn.list_all_domains(ConnectListAllDomainsFlags.MANAGEDSAVE)
    assert [one.name for one in found] == ["web"]
    with pytest.raises(OperationInvalid, match="Refusing to undefine"):
        await dom.undefine()
    await dom.saving.managed_save_define_xml(
        await dom.saving.managed_save_xml_desc(1), _Flags.PAUSED
    )
    await dom.create()
    assert (await dom.state()).state == DomainState.PAUSED
    assert not await dom.saving.has_managed_save()
    await dom.saving.managed_save(_Flags.RUNNING)
    await dom.create(DomainCreateFlags.START_FORCE_BOOT)
    state = await dom.state()
    assert (state.state, state.reason) == (DomainState.RUNNING, DomainRunningReason.BOOTED)
    assert not await dom.saving.has_managed_save()
    await dom.saving.managed_save()
    await dom.undefine(DomainUndefineFlagsValues.MANAGED_SAVE)
    assert list((tmp_path / "root/lib/qemu/save").iterdir()) == []


async def test_refusals_leave_the_guest(
    conn: Connection, paused: PausedGuest, tmp_path: Path
) -> None:
    dom = await paused("web")
    file = str(tmp_path / "web.save")
    document = await dom.xml_desc(9)
    with pytest.raises(OperationInvalid, match="transient"):
        await dom.saving.managed_save()
    with pytest.raises(SystemFailure, match="Failed to create file"):
        await dom.saving.save(str(tmp_path / "nowhere" / "file"))
    with pytest.raises(ConfigUnsupported, match="Target domain name"):
        await dom.saving.save(file, document.replace("<name>web", "<name>other"))
    with pytest.raises(ConfigUnsupported, match="memory"):
        await dom.saving.save(file, document.replace(">32768<", ">65536<"))
    assert (await dom.state()).state == DomainState.PAUSED
    assert not Path(file).exists()
    await dom.saving.save(file)
    with pytest.raises(ConfigUnsupported, match="memory"):
        await conn.restore(file, document.replace(">32768<", ">65536<"))
    os.truncate(file, os.path.getsize(file) // 2)
    with pytest.raises(InternalError, match="load of migration failed"):
        await conn.restore(file)
    assert await conn.list_all_domains() == []


async def test_a_full_disk(conn: Connection, paused: PausedGuest) -> None:
    dom = await paused("web")
    with pytest.raises(virloom.VirloomError):
        await dom.saving.save("/dev/full")
    assert (await dom.state()).state == DomainState.PAUSED
    await dom.resume()
    assert os.path.exists("/dev/full")


async def settled(conn: Connection) -> Domain:
    """The guest, when the new owner has ended what the former one had begun."""
    dom = await conn.lookup_by_name("web")
    async with asyncio.timeout(20):
        while await dom.is_active() and not await runs_alone(dom):
            await asyncio.sleep(0.02)
    return dom


async def runs_alone(dom: Domain) -> bool:
    """Whether it runs, and the image that it came from is gone, which is after that."""
    state = (await dom.state()).state
    return state == DomainState.RUNNING and not await dom.saving.has_managed_save()


LOST_AT = [*SAVE_STEPS, "stopping-recorded", "terminated", *START_STEPS, LOADED]
#: What `make test` tries of them: before, in the middle of and after the one write that counts.
QUICK = (SAVE_STEPS[0], SAVE_STEPS[-1], LOADED)


@pytest.mark.parametrize(
    "step",
    [s if s in QUICK else pytest.param(s, marks=pytest.mark.long) for s in LOST_AT],
)
async def test_an_owner_killed_meanwhile_loses_nothing(
    step: str, root: Path, tmp_path: Path
) -> None:
    document = tmp_path / "web.xml"
    document.write_text(tiny_guest_xml("web", machine="microvm"))
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(SAVER), str(root), step, str(document)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    async with virloom.open(embedded(root)) as conn:
        if step in ("stopping-recorded", "terminated"):
            async with asyncio.timeout(5), Heard(conn) as heard:
                await heard.until(LifecycleEvent, detail=DomainEventStoppedDetailType.SAVED)
            state = await (await conn.lookup_by_name("web")).state()
            assert (state.state, state.reason) == (DomainState.SHUTOFF, DomainShutoffReason.SAVED)
        dom = await settled(conn)
        active = await dom.is_active()
        assert active != await dom.saving.has_managed_save()
        if not active:
            await dom.create()
            assert not await dom.saving.has_managed_save()
        assert await boot_id(dom) == done.stdout.strip()
        await end_all(conn)


async def test_a_start_by_itself_goes_on(root: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.define_xml(tiny_guest_xml("web", machine="microvm"))
        await dom.set_autostart(True)
        await dom.create()
        await dom.saving.managed_save()
    (root / "run/qemu/autostarted").unlink()
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        assert (await dom.state()).reason == DomainRunningReason.RESTORED
        assert not await dom.saving.has_managed_save()
        await end_all(conn)


async def test_a_partial_file_of_another_boot_is_not_used(root: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.define_xml(tiny_guest_xml("web", machine="microvm"))
        await dom.create()
        await dom.saving.managed_save()
        with (root / "lib/qemu/save/web.save").open("r+b") as file:
            file.write(PARTIAL)
        await dom.create()
        assert (await dom.state()).reason == DomainRunningReason.BOOTED
        assert not await dom.saving.has_managed_save()
        await end_all(conn)


#: An owner that is killed while QEMU writes to somebody who does not read.
HALFWAY = """
import asyncio, os, sys
import virloom

async def main():
    conn = await virloom.open(sys.argv[1])
    dom = await conn.create_xml(open(sys.argv[2]).read())
    work = dom.saving.save if sys.argv[4] == "save" else dom.saving.core_dump
    task = asyncio.create_task(work(sys.argv[3]))
    while (await dom.jobs.info()).data_processed == 0:
        await asyncio.sleep(0.02)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["save", "dump"])
async def test_an_owner_killed_halfway(
    how: str, root: Path, tmp_path: Path, endless_packing: None
) -> None:
    document, file = tmp_path / "web.xml", tmp_path / "file"
    document.write_text(tiny_guest_xml("web", machine="microvm"))
    command = [sys.executable, "-c", HALFWAY, embedded(root), str(document), str(file), how]
    done = await asyncio.to_thread(
        subprocess.run, command, stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert file.exists()
    packing = int((tmp_path / "packing").read_text())
    async with virloom.open(embedded(root)) as conn:
        # QEMU's thread that writes hangs in the pipe until nobody is left who could read it.
        asyncio.get_running_loop().call_later(1, os.kill, packing, signal.SIGKILL)
        dom = await settled(conn)
        assert (await dom.state()).state == DomainState.RUNNING
        assert not file.exists()
        await end_all(conn)
