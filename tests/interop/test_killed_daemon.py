# SPDX-License-Identifier: Apache-2.0
"""virtqemud is killed at random moments while clients write and guests run.

Whatever a client was told is done is there afterwards, what it was not told of is there whole or
not at all, guests go on, and whoever listened for events hears that the connection is gone. Of
guests that were just starting or ending, the next daemon's list and the processes tell the same.
``VIRLOOM_CHAOS`` says how often (``make test``: a few times).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import virloom
from virloom.client.connection import Connection
from virloom.errors import (
    InvalidConn,
    NoDomain,
    NoDomainMetadata,
    SystemFailure,
    VirloomError,
)
from virloom.testing import guest as tiny
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

ROUNDS = int(os.environ.get("VIRLOOM_CHAOS", "6"))

pytestmark = pytest.mark.timeout(120 + 10 * ROUNDS)

GUESTS = ("first", "second")

_TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
_PAUSED, _PAUSED_AND_AUTODESTROY = 1, 3

#: Guests that start and end all the time: their documents, and the flags that they start with.
SHORT_LIVED = {
    "flies": (paused_guest_xml("flies"), _PAUSED),
    "seals": (paused_guest_xml("seals", extra_devices=_TPM), _PAUSED),
    "bound": (paused_guest_xml("bound"), _PAUSED_AND_AUTODESTROY),
}

#: What a connection's end looks like to whoever waits on it.
GONE = (SystemFailure, InvalidConn)


class Written:
    """One fact that a writer changes again and again: what was acknowledged, what is under way."""

    def __init__(self, value: str | None = None) -> None:
        self.acknowledged = value
        self.attempted = value

    async def write(self, value: str | None, action: Awaitable[Any]) -> None:
        """Writes; an end of the connection leaves both values possible."""
        self.attempted = value
        await action
        self.acknowledged = value

    def check(self, what: str, found: str | None) -> None:
        """Holds what is there against what may be there."""
        assert found in (self.acknowledged, self.attempted), (
            f"{what}: {found!r}, acknowledged {self.acknowledged!r}, tried {self.attempted!r}"
        )
        self.acknowledged = self.attempted = found


class Load:
    """Clients that write and listen until their connections end."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.defined = Written()
        self.description = Written()
        self.autostart = Written("False")
        self.short_lived = {name: Written() for name in SHORT_LIVED}
        self.writes = 0
        self.starts = 0
        self.listened = 0

    async def prepare(self) -> None:
        """The domain whose settings are written."""
        async with virloom.open(self.uri) as conn:
            await conn.define_xml(paused_guest_xml("kept"))

    async def run(self) -> None:
        """All writers and listeners, until the daemon is gone."""
        await asyncio.gather(
            *(self._until_gone(work) for work in (self._define, self._describe, self._toggle)),
            *(self._until_gone(partial(self._live, name)) for name in SHORT_LIVED),
            self._listen(),
        )

    async def _until_gone(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        with contextlib.suppress(*GONE):  # the kill may come while it connects, too
            async with virloom.open(self.uri) as conn:
                while True:
                    await work(conn)
                    self.writes += 1

    async def _define(self, conn: Connection) -> None:
        present = self.defined.acknowledged
        if present is None:
            await self.defined.write("come", conn.define_xml(paused_guest_xml("comes-and-goes")))
        else:
            dom = await conn.lookup_by_name("comes-and-goes")
            await self.defined.write(None, dom.undefine())

    async def _describe(self, conn: Connection) -> None:
        dom = await conn.lookup_by_name("kept")
        text = f"{self.writes}-" + "x" * random.randrange(2000)
        await self.description.write(text, dom.set_description(text))

    async def _toggle(self, conn: Connection) -> None:
        dom = await conn.lookup_by_name("kept")
        on = self.autostart.acknowledged != "True"
        await self.autostart.write(str(on), dom.set_autostart(on))

    async def _live(self, name: str, conn: Connection) -> None:
        written = self.short_lived[name]
        document, flags = SHORT_LIVED[name]
        if written.acknowledged is None:
            await written.write("come", conn.create_xml(document, flags))
            self.starts += 1
        else:
            dom = await conn.lookup_by_name(name)
            await written.write(None, dom.destroy())

    async def _listen(self) -> None:
        with contextlib.suppress(*GONE):
            async with virloom.open(self.uri) as conn, conn.events(domain=None) as events:
                async for _ in events:
                    self.listened += 1
            pytest.fail("the events ended without an error")

    async def check(self) -> None:
        """What the next daemon answers, against what was acknowledged."""
        async with virloom.open(self.uri) as conn:
            self.defined.check("definition", await _presence(conn, "comes-and-goes"))
            dom = await conn.lookup_by_name("kept")
            self.description.check("description", await _described(dom))
            self.autostart.check("autostart", str(await dom.autostart()))
            self.short_lived["bound"] = Written()  # went with its connection
            for name, written in self.short_lived.items():
                written.check(name, await _presence(conn, name))


async def _presence(conn: Connection, name: str) -> str | None:
    try:
        await conn.lookup_by_name(name)
    except NoDomain:
        return None
    return "come"


async def _described(dom: Any) -> str | None:
    try:
        return str(await dom.description(2))
    except NoDomainMetadata:
        return None


class Guests:
    """Guests with a kernel, and what tells that they are still the same."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.boots: dict[str, str] = {}

    async def start(self) -> None:
        """Boots them, and asks each for its boot's id."""
        async with virloom.open(self.uri) as conn:
            for name in GUESTS:
                await conn.create_xml(tiny_guest_xml(name))
            for name in GUESTS:
                self.boots[name] = await self._boot_id(conn, name)

    async def check(self, names: Iterable[str] = GUESTS) -> None:
        """The same guests run in the same boots."""
        async with virloom.open(self.uri) as conn:
            for name in names:
                assert await self._boot_id(conn, name) == self.boots[name]

    @staticmethod
    async def _boot_id(conn: Connection, name: str) -> str:
        dom = await conn.lookup_by_name(name)
        async with asyncio.timeout(90), dom.console() as console:
            said = b""
            await console.write(b"\necho =$(cat /proc/sys/kernel/random/boot_id)=\n")
            while True:
                said += await console.read()
                found = [part for part in said.split(b"=") if _is_uuid(part)]
                if found:
                    return found[-1].decode()
                if tiny.READY_PATTERN.search(said):  # it has come up only now
                    said = b""
                    await console.write(b"\necho =$(cat /proc/sys/kernel/random/boot_id)=\n")


def _is_uuid(part: bytes) -> bool:
    return len(part) == 36 and part.count(b"-") == 4


def _processes(root: Path) -> dict[int, list[str]]:
    """The command lines of what belongs to this root, by its name there or in the environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit():
                continue
            line = (entry / "cmdline").read_bytes()
            if line and bytes(root) in line + (entry / "environ").read_bytes():
                found[int(entry.name)] = line.decode().split("\0")
        except OSError:  # it has ended
            continue
    return found


def _emulators(root: Path) -> dict[str, int]:
    """The QEMUs of this root by the names of their guests; two of a name are a mistake."""
    found: dict[str, int] = {}
    for pid, words in _processes(root).items():
        if "qemu-system" in words[0] and "-name" in words:
            name = words[words.index("-name") + 1].removeprefix("guest=").partition(",")[0]
            assert name not in found, f"two QEMUs are {name}: {pid}, {found[name]}"
            found[name] = pid
    return found


async def _check_processes(virtqemud: Any) -> None:
    """Guests that are listed as running and processes are the same; nothing else is left."""
    async with virloom.open(virtqemud.uri()) as conn:
        listed = sorted(dom.name for dom in await conn.list_all_domains(1))
    assert listed == sorted(_emulators(virtqemud.root))
    swtpms = int("seals" in listed)
    async with asyncio.timeout(20):  # what prepares a TPM ends by itself
        while True:
            rest = [
                words
                for pid, words in _processes(virtqemud.root).items()
                if "qemu-system" not in words[0] and pid != virtqemud.pid
            ]
            if len(rest) == swtpms and all(Path(words[0]).name == "swtpm" for words in rest):
                return
            await asyncio.sleep(0.2)


def _check_files(root: Path) -> None:
    """Documents are whole, and nothing half-written lies about."""
    folder = root / "etc/libvirt/qemu"
    names = sorted(path.name for path in folder.iterdir())
    assert [n for n in names if n not in ("autostart", "kept.xml", "comes-and-goes.xml")] == []
    for path in folder.glob("*.xml"):
        assert path.read_text().rstrip().endswith("</domain>"), path


async def test_killed_while_clients_write_and_guests_run(virtqemud: Any) -> None:
    load, guests = Load(virtqemud.uri()), Guests(virtqemud.uri())
    await load.prepare()
    await guests.start()
    before = _emulators(virtqemud.root)
    assert len(before) == len(GUESTS)
    generator = random.Random(f"{os.getpid()}")
    for round_ in range(ROUNDS):
        running = asyncio.create_task(load.run())
        async with asyncio.timeout(30):  # a busy machine needs longer for the first start
            while not load.starts:
                await asyncio.sleep(0.05)
        await asyncio.wait([running], timeout=generator.uniform(0.05, 0.5))
        assert virtqemud.signal(signal.SIGKILL) == -signal.SIGKILL
        async with asyncio.timeout(30):
            await running
        virtqemud.start()
        _check_files(virtqemud.root)
        await load.check()
        await _check_processes(virtqemud)
        await guests.check(GUESTS if round_ % 10 == 9 or round_ == ROUNDS - 1 else GUESTS[:1])
        assert before.items() <= _emulators(virtqemud.root).items()
        print(f"kill {round_ + 1}: {load.writes} writes, {load.starts} starts", flush=True)
    assert load.writes > ROUNDS
    assert load.listened > ROUNDS
    assert load.starts > 0
    print(f"{ROUNDS} kills, {load.writes} writes, {load.starts} starts, {load.listened} events")


async def test_a_client_that_stays_over_a_restart_is_told(virtqemud: Any) -> None:
    conn = await virloom.open(virtqemud.uri())
    reasons: list[VirloomError | None] = []
    conn.on_close(reasons.append)
    assert virtqemud.signal(signal.SIGTERM) == 0
    virtqemud.start()
    with pytest.raises(GONE):
        await conn.hostname()
    await conn.close()
    assert [type(reason) for reason in reasons] == [SystemFailure]
