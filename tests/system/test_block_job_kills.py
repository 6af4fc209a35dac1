# SPDX-License-Identifier: Apache-2.0
"""Daemons that are killed in the middle of block jobs lose no byte, no node and no job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import embedded, end_all
from tests.system.test_events import Heard
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import BlockJob2Event
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.domain import DomainXMLFlags
from virloom.errors import InternalError, InvalidArg

#: Of the repository.
ROOT = Path(__file__).parents[2]
PIVOT = 2

#: Steps that every job passes at its end.
END = ("job-concluded", "job-dismissed", "job-settled", "job-cleaned")
KILLS = {
    "pull": ("job-noted", "before-block-stream", "job-started", "job-flushed", *END),
    "slowpull": ("job-started",),
    "copy": (
        "before-blockdev-add", "before-blockdev-create", "before-blockdev-add:2",
        "before-blockdev-mirror", "job-ready", "job-pivoting", "job-concluded", "job-settled",
    ),
    "slowcopy": ("job-started", "job-aborting", "job-concluded", "job-cleaned"),
    "commit": (
        "before-blockdev-add", "before-blockdev-reopen", "storage-swapped", "before-add-fd:2",
        "before-block-commit", "job-pending", "job-dismissed", "storage-swapped:3",
        "storage-swapped:4", "job-settled",
    ),
    "active": ("before-block-commit", "job-ready", "job-pivoting", "job-dismissed", "job-settled"),
}  # fmt: skip


def img(*words: str, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout


def make_images(path: Path) -> None:
    """Four images, each with a part of its own, and what a guest sees of them."""
    path.mkdir()
    names = ("base.q", "mid1.q", "mid2.q", "top.q")
    for number, name in enumerate(names):
        words = ["-b", names[number - 1], "-F", "qcow2", name] if number else [name, "4M"]
        img("qemu-img", "create", "-f", "qcow2", *words, cwd=path)
        pattern = f"write -P {number + 1} {number * 512}k 768k"
        img("qemu-io", "-f", "qcow2", "-c", pattern, name, cwd=path)
    img("qemu-img", "convert", "-O", "raw", "top.q", "seen.raw", cwd=path)


@pytest.fixture
def template(tmp_path: Path, installed: None) -> Path:
    path = tmp_path / "template"
    make_images(path)
    return path


async def settle(dom: Domain) -> None:
    """Lets what goes on come to its end."""
    async with asyncio.timeout(20):
        while (info := await dom.block.job_info("vda")) is not None:
            if info.cur == info.end and "ready='yes'" in await dom.xml_desc():
                await dom.block.job_abort("vda", PIVOT)
            else:
                with contextlib.suppress(InternalError, InvalidArg):  # it ends just now
                    await dom.block.job_set_speed("vda", 0)
                await asyncio.sleep(0.02)


def sources(document: str) -> list[str]:
    return re.findall(r"<source file='([^']*)'", document)


async def check(directory: Path) -> None:
    """Document, record, QEMU and images agree, and the guest sees what it saw."""
    async with virloom.open(embedded(directory / "root")) as conn:
        try:
            if directory.name.endswith(":job-concluded"):  # nobody was there to hear of it
                status = Status.CANCELED if "slow" in directory.name else Status.COMPLETED
                async with Heard(conn) as heard:
                    await heard.until(BlockJob2Event, status=status)
            chain = await chain_agreed_on(await conn.lookup_by_name("web"), directory)
        finally:
            await end_all(conn)
    told = img("qemu-img", "info", "--backing-chain", "--output=json", chain[0], cwd=directory)
    assert [directory / layer["filename"] for layer in json.loads(told)] == list(map(Path, chain))
    img("qemu-img", "compare", "-f", "raw", "-F", "qcow2", "seen.raw", chain[0], cwd=directory)


async def chain_agreed_on(dom: Domain, directory: Path) -> list[str]:
    """The images of the disk, when its jobs are over."""
    assert await dom.is_active()
    await settle(dom)
    document = await dom.xml_desc()
    chain = sources(document)
    assert "<mirror" not in document
    assert sources(await dom.xml_desc(DomainXMLFlags.INACTIVE))[0] == chain[0]
    nodes = json.loads(await dom.monitor_command('{"execute":"query-named-block-nodes"}'))
    names = {node["node-name"] for node in nodes["return"]}
    assert len(names) == 2 * len(chain), (names, chain)
    writable = {node["node-name"] for node in nodes["return"] if not node["ro"]}
    assert len(writable) == 2, writable
    record = json.loads(next((directory / "root").rglob("web.json")).read_text())
    assert not {"blockjobs", "swaps", "written"} & record["runtime"].keys()
    assert len(record["runtime"]["fdsets"]) == len(chain)  # QEMU's go when its CPUs run
    layers = record["runtime"]["nodes"]["virtio-disk0"]["layers"]
    assert {name for layer in layers for name in layer} == names
    return chain


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param(("pull", "slowpull", "commit"), marks=pytest.mark.long),
        ("copy", "slowcopy", "active"),
    ],
)
async def test_whoever_comes_after_a_kill_goes_on(
    jobs: tuple[str, ...], tmp_path: Path, template: Path
) -> None:
    cases = [f"{job}:{step}" for job in jobs for step in KILLS[job]]
    for case in cases:
        shutil.copytree(template, tmp_path / case)
    words = [sys.executable, "-m", "tests.fakes.blockjob_owner", str(tmp_path), *cases]
    done = await asyncio.to_thread(
        subprocess.run, words, cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert not done.stdout, done.stdout + done.stderr
    failed = []
    for case in cases:
        try:
            await check(tmp_path / case)
        except (AssertionError, virloom.VirloomError, subprocess.CalledProcessError) as error:
            failed.append(f"{case}: {error!r}")
    assert not failed, "\n".join(failed)
