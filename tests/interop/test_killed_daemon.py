# SPDX-License-Identifier: Apache-2.0
"""virtqemud is killed at random moments while clients write and guests run.

Whatever a client was told is done is there afterwards, what it was not told of is there whole or
not at all, guests go on, and whoever listened for events hears that the connection is gone.
``VIRLOOM_CHAOS`` says how often (``make test``: a few times).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import virloom
from virloom.client.connection import Connection
from virloom.errors import InvalidConn, NoDomain, SystemFailure, VirloomError
from virloom.testing import guest as tiny
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

ROUNDS = int(os.environ.get("VIRLOOM_CHAOS", "6"))

pytestmark = pytest.mark.timeout(120 + 10 * ROUNDS)

GUESTS = ("first", "second")

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
        self.writes = 0
        self.listened = 0

    async def prepare(self) -> None:
        """The domain whose settings are written."""
        async with virloom.open(self.uri) as conn:
            await conn.define_xml(paused_guest_xml("kept"))

    async def run(self) -> None:
        """All writers and listeners, until the daemon is gone."""
        await asyncio.gather(
            *(self._until_gone(work) for work in (self._define, self._describe, self._toggle)),
            self._listen(),
        )

    async def _until_gone(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        conn = await virloom.open(self.uri)
        try:
            while True:
                await work(conn)
                self.writes += 1
        except GONE:
            return
        finally:
            await conn.close()

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

    async def _listen(self) -> None:
        conn = await virloom.open(self.uri)
        try:
            async with conn.events(domain=None) as events:
                async for _ in events:
                    self.listened += 1
        except GONE:
            return
        finally:
            await conn.close()
        pytest.fail("the events ended without an error")

    async def check(self) -> None:
        """What the next daemon answers, against what was acknowledged."""
        async with virloom.open(self.uri) as conn:
            self.defined.check("definition", await _presence(conn, "comes-and-goes"))
            dom = await conn.lookup_by_name("kept")
            text = await dom.description(2) if self.description.attempted is not None else None
            self.description.check("description", text)
            self.autostart.check("autostart", str(await dom.autostart()))


async def _presence(conn: Connection, name: str) -> str | None:
    try:
        await conn.lookup_by_name(name)
    except NoDomain:
        return None
    return "come"


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

    async def check(self) -> None:
        """The same guests run in the same boots."""
        async with virloom.open(self.uri) as conn:
            assert sorted(d.name for d in await conn.list_all_domains(1)) == sorted(GUESTS)
            for name in GUESTS:
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


def _emulators(root: Path) -> set[int]:
    """The QEMUs that belong to this root, by its name in their environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and b"qemu-system" in (entry / "cmdline").read_bytes()
                and bytes(root) in (entry / "environ").read_bytes()
            ):
                found.add(int(entry.name))
        except OSError:  # it has ended
            continue
    return found


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
        await asyncio.wait([running], timeout=generator.uniform(0.05, 0.5))
        assert virtqemud.signal(signal.SIGKILL) == -signal.SIGKILL
        async with asyncio.timeout(30):
            await running
        virtqemud.start()
        _check_files(virtqemud.root)
        await load.check()
        if round_ % 10 in (0, 9) or round_ == ROUNDS - 1:
            await guests.check()
        assert _emulators(virtqemud.root) == before
    assert load.writes > ROUNDS
    assert load.listened > ROUNDS
    print(f"{ROUNDS} kills, {load.writes} writes, {load.listened} events")


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
