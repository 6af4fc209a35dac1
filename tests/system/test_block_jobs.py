# SPDX-License-Identifier: Apache-2.0
"""Block jobs of guests: what QEMU refuses, what dies in the middle, and copies to servers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.blockjob_owner import JOBS, document
from tests.system.conftest import end_all, qemu_processes
from tests.system.test_block_job_kills import chain_agreed_on, img, make_images
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import BlockJob2Event
from virloom.drivers.qemu.process.steps import observed
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.domain import DomainState
from virloom.errors import InternalError, OperationInvalid, VirloomError

PIVOT, TRANSIENT, REUSE = 2, 4, 2

#: What QEMU is made to refuse, in turn: of each job the steps of its beginning and of its end.
REFUSED = {
    "pull": ("before-block-stream",),
    "copy": (
        "before-add-fd", "before-blockdev-add", "before-blockdev-create", "before-blockdev-add:2",
        "before-blockdev-mirror",
    ),
    "commit": (
        "before-add-fd", "before-blockdev-reopen", "before-blockdev-add:2", "before-block-commit",
    ),
    "active": ("before-blockdev-reopen", "before-block-commit"),
}  # fmt: skip

#: When QEMU is killed.
DEATHS = (
    "pull:job-started", "pull:job-flushed", "commit:job-pending", "commit:job-flushed",
    "copy:before-blockdev-create", "copy:job-ready", "copy:job-pivoting",
    "commit:before-block-commit", "active:storage-swapped", "active:job-pivoting",
)  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    make_images(path)
    return path


async def started(conn: Connection, images: Path) -> Domain:
    dom = await conn.define_xml(document(images))
    await dom.create(1)
    return dom


def at(case: str, action: Callable[[], None]) -> Callable[[str], None]:
    """An observer that acts when a step is reached, for the first or the n-th time."""
    step, *times = case.split(":")
    left = int(times[0]) if times else 1

    def observe(reached: str) -> None:
        nonlocal left
        left -= reached == step
        if reached == step and left == 0:
            action()

    return observe


def refuse() -> None:
    raise InternalError("QEMU is made to refuse")


async def test_a_step_that_qemu_refuses_leaves_all_as_it_was(
    conn: Connection, root: Path, images: Path
) -> None:
    dom = await started(conn, images)
    whole = await chain_agreed_on(dom, root.parent)
    for job, steps in REFUSED.items():
        for step in steps:
            with observed(at(step, refuse)), pytest.raises(InternalError, match="made to refuse"):
                await JOBS[job](dom, images)
            assert await chain_agreed_on(dom, root.parent) == whole, (job, step)
            assert not (images / "copy.q").exists(), (job, step)


async def test_a_pivot_that_qemu_refuses_can_be_tried_again(
    conn: Connection, root: Path, images: Path
) -> None:
    dom = await started(conn, images)
    async with Heard(conn) as heard:
        with observed(at("job-pivoting", refuse)), pytest.raises(InternalError, match="refuse"):
            await JOBS["copy"](dom, images)
        assert "ready='yes'" in await dom.xml_desc()
        with observed(at("job-aborting", refuse)), pytest.raises(InternalError, match="refuse"):
            await dom.block.job_abort("vda")
        assert "ready='yes'" in await dom.xml_desc()
        await dom.block.job_abort("vda", PIVOT)
        for status in (Status.READY, Status.COMPLETED):  # each once
            assert (await heard.until(BlockJob2Event)).status == status
    assert await chain_agreed_on(dom, root.parent) == [str(images / "copy.q")]
    owners = {name: (images / name).stat().st_uid for name in ("top.q", "copy.q")}
    ours = os.getuid()
    assert owners["top.q"] == ours
    assert (owners["copy.q"] != ours) is (ours == 0)  # only root can give files away
    await dom.destroy()
    assert (images / "copy.q").stat().st_uid == ours


async def test_a_guest_whose_qemu_is_killed_in_a_job_starts_again(
    conn: Connection, root: Path, images: Path
) -> None:
    dom = await conn.define_xml(document(images))

    def kill() -> None:
        for pid in qemu_processes(root):
            os.kill(pid, signal.SIGKILL)

    for case in DEATHS:
        job, _, step = case.partition(":")
        await dom.create(1)
        with observed(at(step, kill)), pytest.raises((VirloomError, TimeoutError)):
            await asyncio.wait_for(JOBS[job](dom, images), 5)
        async with asyncio.timeout(10):
            while await dom.is_active():
                await asyncio.sleep(0.02)
        assert (await dom.state()).state == DomainState.SHUTOFF
        img("qemu-img", "compare", "-f", "raw", "-F", "qcow2", "seen.raw", "top.q", cwd=images)
        (images / "copy.q").unlink(missing_ok=True)
    await dom.create(1)
    assert len(await chain_agreed_on(dom, root.parent)) == 4
    await end_all(conn)


# -- servers -----------------------------------------------------------------------------------


@contextmanager
def nbd_server(file: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server of one raw image, at a port of the loopback device."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["qemu-nbd", "-b", "127.0.0.1", "-p", str(port), "-f", "raw", "-x", "copy", "-t"]
    with subprocess.Popen([*words, str(file)]) as server:
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    signal.sigtimedwait([], 0.02)
            yield port, server
        finally:
            server.kill()


def target(port: int) -> str:
    return (
        "<disk type='network'><driver type='raw'/><source protocol='nbd' name='copy'>"
        f"<host name='127.0.0.1' port='{port}'/></source></disk>"
    )


async def test_a_disk_moves_to_a_server(conn: Connection, root: Path, images: Path) -> None:
    dom = await started(conn, images)
    file = images / "served.raw"
    file.touch()
    os.truncate(file, 4 << 20)
    with nbd_server(file) as (port, server):
        async with Heard(conn) as heard:
            slow = {"bandwidth": 65536}
            await dom.block.copy("vda", target(port), slow, TRANSIENT | REUSE)
            assert (await dom.block.job_info("vda")) is not None
            server.kill()
            await dom.block.job_set_speed("vda", 0)
            await heard.until(BlockJob2Event, status=Status.FAILED)
        assert len(await chain_agreed_on(dom, root.parent)) == 4
    with nbd_server(file) as (port, _):
        async with Heard(conn) as heard:
            await dom.block.copy("vda", target(port), {}, TRANSIENT | REUSE)
            await heard.until(BlockJob2Event, status=Status.READY)
            await dom.block.job_abort("vda", PIVOT)
        for flags in (0, 2):
            assert "<source protocol='nbd' name='copy'" in await dom.xml_desc(flags)
        await dom.destroy()
    assert file.read_bytes() == (images / "seen.raw").read_bytes()


async def test_jobs_hold_up_what_would_lose_them(
    conn: Connection, root: Path, images: Path
) -> None:
    dom = await started(conn, images)
    await dom.block.pull("vda", 65536, 64)
    with pytest.raises(OperationInvalid, match="active block job"):
        await dom.saving.managed_save()
    await dom.block.job_abort("vda")
    assert await dom.block.job_info("vda") is None
    assert len(await chain_agreed_on(dom, root.parent)) == 4
