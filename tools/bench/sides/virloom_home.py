# SPDX-License-Identifier: Apache-2.0
"""Virloom's embedded driver in a process: ``embed DIR``, or ``first DIR`` for a fresh root."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
from pathlib import Path

import virloom
import virloom.drivers.homes  # measured by itself, as libvirt's binding is loaded before, too
from tools.bench.sides import line
from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags
from virloom.enums.snapshot import DomainSnapshotCreateFlags


class Handlers:
    """What the orchestrator asks for, on one loop that runs only while something is asked."""

    def __init__(self, directory: Path) -> None:
        self._runner = asyncio.Runner()
        self._uri = f"qemu:///embed?root={directory}"
        self._connection: Connection | None = None

    def run(self, xml: str, paused: bool) -> dict[str, float]:
        """Create a guest and destroy it."""
        return self._runner.run(self._run(xml, paused))

    def arguments(self, xml: str, name: str) -> list[str]:
        """The command line that QEMU gets for a guest."""
        return self._runner.run(self._arguments(xml, name))

    def first(self, xml: str) -> dict[str, float]:
        """Open a fresh root and create the first guest there."""
        return self._runner.run(self._first(xml))

    def many(self, documents: list[str]) -> dict[str, float]:
        """All *documents* up, listed, asked for their statistics in one call, and gone."""
        return self._runner.run(self._many(documents))

    def disk(self, xml: str) -> None:
        """A guest that stays, paused."""
        self._runner.run(self._disk(xml))

    def snapshot(self, name: str) -> float:
        """An external snapshot of that guest's disks."""
        return self._runner.run(self._snapshot(name))

    async def _disk(self, xml: str) -> None:
        self._domain = await (await self._connected()).create_xml(xml, _flags(True))

    async def _snapshot(self, name: str) -> float:
        watch = Watch()
        text = f"<domainsnapshot><name>{name}</name></domainsnapshot>"
        await self._domain.snapshots.create(text, DomainSnapshotCreateFlags.DISK_ONLY)
        return watch.lap()

    def plug(
        self, xml: str, console: str, devices: dict[str, str], count: int
    ) -> dict[str, list[float]]:
        """Plugs each device into a guest that has booted, and takes it out again, in turn."""
        return self._runner.run(self._plug(xml, console, devices, count))

    def bulk(self, documents: list[str], calls: int) -> dict[str, float]:
        """All *documents* up, and asked *calls* times for all their statistics."""
        return self._runner.run(self._bulk(documents, calls))

    def save(self, xml: str, path: str) -> dict[str, float]:
        """Megabytes a second of a guest that becomes a file, and of the file that becomes one."""
        return self._runner.run(self._save(xml, path))

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await virloom.open(self._uri)
        return self._connection

    async def _run(self, xml: str, paused: bool) -> dict[str, float]:
        connection = await self._connected()
        watch = Watch()
        domain = await connection.create_xml(xml, _flags(paused))
        created = watch.lap()
        await domain.destroy()
        return {"create": created, "destroy": watch.lap()}

    async def _arguments(self, xml: str, name: str) -> list[str]:
        domain = await (await self._connected()).create_xml(xml, _flags(True))
        try:
            return line.arguments_of(name)
        finally:
            await domain.destroy()

    async def _first(self, xml: str) -> dict[str, float]:
        watch = Watch()
        domain = await (await self._connected()).create_xml(xml, _flags(True))
        created = watch.lap()
        await domain.destroy()
        return {"create": created}

    async def _many(self, documents: list[str]) -> dict[str, float]:
        connection = await self._connected()
        half = len(documents) // 2
        watch = Watch()
        domains = [await connection.create_xml(xml, _flags(True)) for xml in documents[:half]]
        up = watch.lap()
        before = line.own_memory()
        watch.lap()
        domains += [await connection.create_xml(xml, _flags(True)) for xml in documents[half:]]
        up += watch.lap()
        listed = await connection.list_all_domains()
        listed_in = watch.lap()
        told = await connection.all_domain_stats()
        statistics_in = watch.lap()
        memory = (line.own_memory() - before) / (len(documents) - half)
        if not len(listed) == len(told) == len(documents):
            raise RuntimeError(f"{len(listed)} listed, {len(told)} with statistics")
        watch.lap()
        await asyncio.gather(*[domain.destroy() for domain in domains])
        gone = watch.lap()
        return {
            "up": up,
            "listed": listed_in,
            "statistics": statistics_in,
            "gone": gone,
            "memory": memory,
        }

    async def _plug(
        self, xml: str, console: str, devices: dict[str, str], count: int
    ) -> dict[str, list[float]]:
        domain = await (await self._connected()).create_xml(xml)
        found: dict[str, list[float]] = {}
        try:
            await asyncio.to_thread(line.wait_for_guest, console)
            for _, (name, device) in itertools.product(range(count), devices.items()):
                watch = Watch()
                await domain.devices.attach(device)
                found.setdefault(f"plug {name}", []).append(watch.lap())
                await domain.devices.detach(device)
                found.setdefault(f"unplug {name}", []).append(watch.lap())
        finally:
            await domain.destroy()
        return found

    async def _bulk(self, documents: list[str], calls: int) -> dict[str, float]:
        connection = await self._connected()
        domains = [await connection.create_xml(xml, _flags(True)) for xml in documents]
        watch, laps = Watch(), []
        for _ in range(calls):
            told = await connection.all_domain_stats()
            laps.append(watch.lap())
            if len(told) != len(documents):
                raise RuntimeError(f"{len(told)} of {len(documents)} have told their figures")
        await asyncio.gather(*[domain.destroy() for domain in domains])
        return {"call": statistics.median(laps)}

    async def _save(self, xml: str, path: str) -> dict[str, float]:
        connection = await self._connected()
        domain = await connection.create_xml(xml, _flags(False))
        await asyncio.sleep(line.FILLING)
        watch = Watch()
        await domain.saving.save(path)
        saved = watch.lap()
        await connection.restore(path)
        restored = watch.lap()
        await (await connection.lookup_by_name(domain.name)).destroy()
        return line.speeds(path, saved, restored)


class Watch:
    """Seconds from lap to lap."""

    def __init__(self) -> None:
        self._last = asyncio.get_running_loop().time()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = asyncio.get_running_loop().time()
        seconds, self._last = now - self._last, now
        return seconds


def _flags(paused: bool) -> DomainCreateFlags:
    return DomainCreateFlags.START_PAUSED if paused else DomainCreateFlags(0)


def main(directory: Path) -> None:
    """Serve requests."""
    handlers = Handlers(directory)
    line.serve(
        {
            "run": handlers.run,
            "plug": handlers.plug,
            "arguments": handlers.arguments,
            "first": handlers.first,
            "many": handlers.many,
            "disk": handlers.disk,
            "snapshot": handlers.snapshot,
            "bulk": handlers.bulk,
            "save": handlers.save,
        }
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
