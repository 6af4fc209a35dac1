# SPDX-License-Identifier: Apache-2.0
"""No sequence of writes, snapshots, reverts, deletions, kills and restarts loses a flushed byte.

The images are real, and so is QEMU while the guest runs (it has no kernel: qemu-io writes for it).
Each step opens the driver anew; a step that is to be killed runs in a fork of this process, which
SIGKILL ends after so many of the named steps of the work. After each step all images are read
without QEMU, and compared with what the model has of the domain and of each of its snapshots.

``SNAPSHOT_SEQUENCES=500`` tries so many sequences instead of a few.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import virloom
from tests.property.qcow2_reader import content
from virloom.client.domain.domain import Domain
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.drivers.qemu.process.steps import observed
from virloom.enums.domain import DomainCreateFlags, DomainXMLFlags
from virloom.enums.snapshot import DomainSnapshotCreateFlags, DomainSnapshotDeleteFlags
from virloom.errors import VirloomError
from virloom.testing.documents import paused_guest_xml

SEQUENCES = int(os.environ.get("SNAPSHOT_SEQUENCES", "5"))
STEPS = 12
SLOT = 65536
SLOTS = 4
DISKS = ("vda", "vdb")
NAMES = st.sampled_from(["a", "b", "c", "d"])
SLOT_NUMBERS = st.integers(0, SLOTS - 1)
#: After how many named steps a kill comes; most pieces of work have fewer than fifteen.
KILLS = st.integers(1, 14)
DISK_ONLY = DomainSnapshotCreateFlags.DISK_ONLY

#: What the sequences did, for whoever looks at them (``-s``).
DONE: Counter[str] = Counter()

Contents = dict[str, bytes]
Work = Callable[[Domain], Awaitable[Any]]


class Domains(RuleBasedStateMachine):
    """A domain with two disks, its snapshots, and what all of them must have."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="sn-"))
        self.now: Contents = {disk: bytes(SLOT * SLOTS) for disk in DISKS}
        self.kept: dict[str, Contents] = {}
        self.failed: str | None = None
        self.interrupted = False
        disks = ""
        for disk in DISKS:
            path = self.root / f"{disk}.qcow2"
            command = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SLOT * SLOTS)]
            subprocess.run(command, check=True)
            disks += (
                f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source "
                f"file='{path}'/><target dev='{disk}' bus='virtio'/></disk>"
            )
        document = paused_guest_xml("web", machine="microvm", extra_devices=disks)
        asyncio.run(self._define(document))
        DONE["sequences"] += 1

    @property
    def uri(self) -> str:
        return f"qemu:///embed?root={self.root / 'root'}"

    async def _define(self, document: str) -> None:
        async with virloom.open(self.uri) as conn:
            await conn.define_xml(document)

    # -- how a step is taken -----------------------------------------------------------------

    def do(self, what: str, work: Work, kill: int | None = None) -> bool:
        """Does something; whether it was done, as far as this process knows."""
        if kill is not None:
            return self._killed(what, work, kill)
        try:
            asyncio.run(self._with_domain(work))
        except VirloomError as exc:
            DONE[f"{what} refused"] += 1
            self.failed = str(exc)
            return False
        DONE[what] += 1
        return True

    async def _with_domain(self, work: Work) -> Any:
        async with virloom.open(self.uri) as conn:
            return await work(await conn.lookup_by_name("web"))

    def _killed(self, what: str, work: Work, kill: int) -> bool:
        pid = os.fork()
        if pid == 0:
            self._die(work, kill)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(ChildProcessError):  # guests of ours that it has ended
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.WIFSIGNALED(status):
            DONE[f"{what} killed"] += 1
            self.interrupted = True
        elif os.WEXITSTATUS(status) == 0:
            DONE[what] += 1
        else:
            DONE[f"{what} refused"] += 1
        return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0

    def _die(self, work: Work, kill: int) -> None:
        """Never returns."""
        left = kill

        def count(step: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        async def watched(dom: Domain) -> None:
            with observed(count):
                await work(dom)

        code = 2
        try:
            asyncio.run(self._with_domain(watched))
            code = 0
        except VirloomError:
            code = 1
        finally:
            os._exit(code)

    def ask(self, work: Work) -> Any:
        """What the driver says, when all that was begun before has come to its end."""
        if self.interrupted:  # the driver ends it, and is closed when it has
            asyncio.run(self._with_domain(_nothing))
            self.interrupted = False
        return asyncio.run(self._with_domain(work))

    # -- the rules -----------------------------------------------------------------------------

    @rule(disk=st.sampled_from(DISKS), slot=SLOT_NUMBERS, value=st.integers(1, 255))
    def write(self, disk: str, slot: int, value: int) -> None:
        """The guest writes and flushes."""
        words = f"write -P {value} {slot * SLOT} {SLOT}"
        if self.ask(_is_active):

            async def guest(dom: Domain) -> None:
                number = DISKS.index(disk)
                for order in (words, "flush"):
                    line = f'qemu-io -d virtio-disk{number} "{order}"'
                    said = await dom.monitor_command(line, hmp=True)
                    assert "error" not in said.lower(), said

            assert self.do("write", guest), self.failed
        else:
            path = self.ask(_images)[disk]
            command = ["qemu-io", "-f", "qcow2", "-c", words, "-c", "flush", path]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            DONE["write"] += 1
        before = self.now[disk]
        self.now[disk] = before[: slot * SLOT] + bytes([value]) * SLOT + before[(slot + 1) * SLOT :]

    @rule(on=st.booleans())
    def power(self, on: bool) -> None:
        """The guest starts, paused, or is destroyed."""
        if self.ask(_is_active) == on:
            return
        if on:
            self.do("start", lambda dom: dom.create(DomainCreateFlags.START_PAUSED))
        else:
            self.do("destroy", lambda dom: dom.destroy())

    @rule(name=NAMES, how=st.sampled_from(["plain", "disks", "memory"]), slot=SLOT_NUMBERS)
    def create(self, name: str, how: str, slot: int) -> None:
        """The guest writes, and a snapshot is made."""
        self.write("vda", slot, 1 + DONE["write"] % 255)
        self._create(name, how, None)

    @rule(name=NAMES, how=st.sampled_from(["plain", "disks", "memory"]), kill=KILLS)
    def create_killed(self, name: str, how: str, kill: int) -> None:
        """A snapshot is made by a daemon that is killed."""
        self._create(name, how, kill)

    def _create(self, name: str, how: str, kill: int | None) -> None:
        """A snapshot: internal, or external of the disks, or with the memory."""
        flags, parts = (DISK_ONLY, "") if how == "disks" else (0, "")
        if how == "memory":
            parts = f"<memory snapshot='external' file='{self.root}/{name}.mem'/>"
        text = f"<domainsnapshot><name>{name}</name>{parts}</domainsnapshot>"
        expected = dict(self.now)
        known = name in self.kept
        done = self.do(f"create {how}", lambda dom: dom.snapshots.create(text, flags), kill)
        there = name in self.ask(_names)
        assert there or not done, f"{name} has been made and is not there"
        if not known and there:
            self.kept[name] = expected

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), flags=st.sampled_from([0, 0, 2]))
    def revert(self, data: st.DataObject, flags: int) -> None:
        """Back to a snapshot."""
        self._revert(data.draw(st.sampled_from(sorted(self.kept))), flags, None)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), kill=KILLS)
    def revert_killed(self, data: st.DataObject, kill: int) -> None:
        """Back to a snapshot by a daemon that is killed."""
        self._revert(data.draw(st.sampled_from(sorted(self.kept))), 0, kill)

    def _revert(self, name: str, flags: int, kill: int | None) -> None:
        """All disks at once, or none."""

        async def work(dom: Domain) -> None:
            await (await dom.snapshots.lookup(name)).revert(flags)

        before = dict(self.now)
        done = self.do("revert", work, kill)
        found = self._read(self.ask(_images))
        if done or (kill is not None and found != before):
            self.now = dict(self.kept[name])

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), children=st.booleans())
    def delete(self, data: st.DataObject, children: bool) -> None:
        """A snapshot goes, or all that are below it too."""
        self._delete(data.draw(st.sampled_from(sorted(self.kept))), children, None)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), kill=KILLS)
    def delete_killed(self, data: st.DataObject, kill: int) -> None:
        """A snapshot is deleted by a daemon that is killed."""
        self._delete(data.draw(st.sampled_from(sorted(self.kept))), False, kill)

    def _delete(self, name: str, children: bool, kill: int | None) -> None:
        flags = DomainSnapshotDeleteFlags.CHILDREN if children else 0

        async def work(dom: Domain) -> None:
            await (await dom.snapshots.lookup(name)).delete(flags)

        done = self.do("delete", work, kill)
        left = self.ask(_names)
        assert name not in left or not done
        for gone in set(self.kept) - set(left):
            del self.kept[gone]

    # -- what must hold ------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        """The domain, and each snapshot, have what they had."""
        names, images, documents = self.ask(_all)
        assert set(names) == set(self.kept)
        assert self._read(images) == self.now, DONE
        for name, (places, internal) in documents.items():
            for disk, path in places.items():
                seen = content(path, name if internal else None)
                assert seen == self.kept[name][disk], f"snapshot {name}, {disk}: {path}"
        assert not list((self.root / "root/lib/qemu/snapshot-work").glob("*"))

    def _read(self, images: dict[str, str]) -> Contents:
        return {disk: content(path) for disk, path in images.items()}

    def teardown(self) -> None:
        async def end(dom: Domain) -> None:
            if await dom.is_active():
                await dom.destroy()

        asyncio.run(self._with_domain(end))
        for path in self.ask(_images).values():
            command = ["qemu-img", "check", "-q", "-f", "qcow2", path]
            assert subprocess.run(command, check=False).returncode in (0, 3)  # 3: leaks only
        shutil.rmtree(self.root)


async def _nothing(dom: Domain) -> None:
    """The driver is opened and closed."""


async def _is_active(dom: Domain) -> bool:
    return await dom.is_active()


async def _names(dom: Domain) -> list[str]:
    return [one.name for one in await dom.snapshots.list()]


def _sources(text: str) -> dict[str, str]:
    found = {}
    for part in re.findall("<disk type='file' device='disk'.*?</disk>", text, flags=re.S):
        source, target = re.search("<source file='(.*?)'", part), re.search("dev='(.*?)'", part)
        assert source is not None
        assert target is not None
        found[target[1]] = source[1]
    return found


async def _images(dom: Domain) -> dict[str, str]:
    images = _sources(await dom.xml_desc())
    inactive = _sources(await dom.xml_desc(DomainXMLFlags.INACTIVE))
    assert images == inactive, "the next start would find other images"
    return images


async def _all(dom: Domain) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    documents = {}
    for one in await dom.snapshots.list():
        text = await one.xml_desc()
        internal = "snapshot='internal'" in text.partition("<domain ")[0]
        documents[one.name] = (_sources(text.partition("<inactiveDomain")[0]), internal)
    return await _names(dom), await _images(dom), documents


@pytest.mark.timeout(900 if SEQUENCES > 20 else 120)
def test_no_flushed_byte_is_lost() -> None:
    """As the module says."""
    try:
        find_emulator("x86_64")
    except VirloomError as error:
        pytest.skip(error.message)
    DONE.clear()
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Domains,
        settings=settings(
            max_examples=SEQUENCES,
            derandomize=SEQUENCES <= 20,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(sorted(DONE.items())))
    assert DONE["sequences"] >= SEQUENCES
