# SPDX-License-Identifier: Apache-2.0
"""libvirt, driven through its own binding: ``embed DIR`` or ``daemon DIR``.

Runs under an interpreter that has that binding. The daemon is a libvirtd of our own in a mount
and network namespace of our own: none of its files or rules are seen outside.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.bench.sides import line

libvirt: Any = importlib.import_module("libvirt")

# Without virtlogd guests write their logs themselves.
_CONFIG = 'stdio_handler = "file"\nsecurity_driver = "none"\n'
_PRIVATE = ("/etc/libvirt", "/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")


def open_embedded(directory: Path) -> Any:
    """libvirt's embedded driver with *directory* as its root, its event loop on a thread."""
    (directory / "etc").mkdir(parents=True, exist_ok=True)
    (directory / "etc/qemu.conf").write_text(_CONFIG)
    libvirt.virEventRegisterDefaultImpl()
    # The embedded driver sees its monitors only while somebody runs the loop.
    threading.Thread(target=_run_events, daemon=True).start()
    return libvirt.open(f"qemu:///embed?root={directory}")


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


@contextlib.contextmanager
def daemon() -> Iterator[Any]:
    """A connection to a private libvirtd. Needs root and the namespaces this process is in."""
    for place in _PRIVATE:
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "private", place], check=True)
    Path("/etc/libvirt/qemu.conf").write_text(_CONFIG)
    process = subprocess.Popen(["/usr/sbin/libvirtd"], stderr=subprocess.DEVNULL)
    try:
        yield _first_answer(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _first_answer(process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(libvirt.libvirtError):
            return libvirt.open("qemu:///system")
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("libvirtd does not answer")
        # libvirtd says nothing when it is ready, and this is outside of every measurement.
        time.sleep(0.1)


class Handlers:
    """What the orchestrator asks for."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def serve(self) -> None:
        """Answer until nobody asks any more."""
        line.serve(
            {
                "run": self.run,
                "arguments": self.arguments,
                "many": self.many,
                "disk": self.disk,
                "snapshot": self.snapshot,
                "plug": self.plug,
                "bulk": self.bulk,
                "save": self.save,
            }
        )

    def run(self, xml: str, paused: bool) -> dict[str, float]:
        """Create a guest and destroy it."""
        created, domain = line.timed(lambda: self._create(xml, paused))
        destroyed, _ = line.timed(domain.destroy)
        return {"create": created, "destroy": destroyed}

    def arguments(self, xml: str, name: str) -> list[str]:
        """The command line that QEMU gets for a guest."""
        domain = self._create(xml, True)
        try:
            return line.arguments_of(name)
        finally:
            domain.destroy()

    def disk(self, xml: str) -> None:
        """A guest that stays, paused."""
        self.domain = self._create(xml, True)

    def snapshot(self, name: str) -> float:
        """An external snapshot of that guest's disks."""
        text = f"<domainsnapshot><name>{name}</name></domainsnapshot>"
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        seconds, _ = line.timed(lambda: self.domain.snapshotCreateXML(text, flags))
        return seconds

    def many(self, documents: list[str]) -> dict[str, float]:
        """All *documents* up, listed, asked for their statistics in one call, and gone."""
        half = len(documents) // 2
        up, domains = line.timed(lambda: [self._create(xml, True) for xml in documents[:half]])
        before = line.own_memory()
        more, others = line.timed(lambda: [self._create(xml, True) for xml in documents[half:]])
        domains += others
        listed, _ = line.timed(self.connection.listAllDomains)
        told, _ = line.timed(self.connection.getAllDomainStats)
        memory = (line.own_memory() - before) / len(others)
        gone, _ = line.timed(lambda: [domain.destroy() for domain in domains])
        return {
            "up": up + more,
            "listed": listed,
            "statistics": told,
            "gone": gone,
            "memory": memory,
        }

    def plug(
        self, xml: str, console: str, devices: dict[str, str], count: int
    ) -> dict[str, list[float]]:
        """Plugs each device into a guest that has booted, and takes it out again, in turn."""
        domain = self._create(xml, False)
        found: dict[str, list[float]] = {}
        try:
            line.wait_for_guest(console)
            for _, (name, device) in itertools.product(range(count), devices.items()):
                for what, action in (
                    ("plug", domain.attachDevice),
                    ("unplug", domain.detachDevice),
                ):
                    seconds, _ = line.timed(lambda: action(device))  # noqa: B023 - called at once
                    found.setdefault(f"{what} {name}", []).append(seconds)
        finally:
            domain.destroy()
        return found

    def bulk(self, documents: list[str], calls: int) -> dict[str, float]:
        """All *documents* up, and asked *calls* times for all their statistics."""
        domains = [self._create(xml, True) for xml in documents]
        laps = [line.timed(self.connection.getAllDomainStats)[0] for _ in range(calls)]
        for domain in domains:
            domain.destroy()
        return {"call": statistics.median(laps)}

    def save(self, xml: str, path: str) -> dict[str, float]:
        """Megabytes a second of a guest that becomes a file, and of the file that becomes one."""
        domain = self._create(xml, False)
        name = domain.name()
        time.sleep(line.FILLING)
        saved, _ = line.timed(lambda: domain.save(path))
        restored, _ = line.timed(lambda: self.connection.restore(path))
        self.connection.lookupByName(name).destroy()
        return line.speeds(path, saved, restored)

    def _create(self, xml: str, paused: bool) -> Any:
        return self.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)


def first(directory: Path, xml: str) -> dict[str, float]:
    """Open a fresh root and create the first guest there."""
    created, (connection, domain) = line.timed(lambda: _open_and_create(directory, xml))
    domain.destroy()
    connection.close()
    return {"create": created}


def _open_and_create(directory: Path, xml: str) -> tuple[Any, Any]:
    connection = open_embedded(directory)
    return connection, connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)


def main(home: str, directory: Path) -> None:
    """Serve requests from *home*."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    if home == "first":
        line.serve({"first": lambda xml: first(directory, xml)})
    elif home == "embed":
        Handlers(open_embedded(directory)).serve()
    else:
        with daemon() as connection:
            Handlers(connection).serve()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
