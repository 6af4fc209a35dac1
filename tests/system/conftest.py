# SPDX-License-Identifier: Apache-2.0
"""Real guests: a root of their own, a connection, and nothing left of them afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.system import hostguest
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import LifecycleEvent
from virloom.client.subscription import EventStream
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.enums.domain import ConnectListAllDomainsFlags, DomainCreateFlags, DomainEventType
from virloom.errors import NoDomain, OperationInvalid, VirloomError
from virloom.testing import guest as tiny
from virloom.testing import initramfs as image
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

SOURCES = Path(virloom.__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = 65534


def embedded(root: Path | str) -> str:
    """The URI of the embedded driver in *root*."""
    return f"qemu:///embed?root={root}"


@pytest.fixture(scope="session")
def installed() -> None:
    """QEMU, kernel and BusyBox; without them the test fails in CI and is skipped elsewhere."""
    try:
        find_emulator("x86_64")
        tiny.kernel()
        tiny.initramfs()
    except VirloomError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have what guests need: {error.message}")
        pytest.skip(error.message)


@pytest.fixture
def root(tmp_path: Path, installed: None) -> Iterator[Path]:
    """A root directory, and afterwards the proof that no QEMU of it is left."""
    path = tmp_path / "root"
    yield path
    left = {pid: name for pid, name in qemu_processes(path).items() if not _ends(pid)}
    assert not left, f"QEMU processes of '{path}' outlive the test: {left}"


@pytest.fixture
async def conn(root: Path) -> AsyncIterator[Connection]:
    """A connection to the embedded driver in ``root``; its guests end with the test."""
    async with virloom.open(embedded(root)) as connection:
        yield connection
        await end_all(connection)


async def end_all(connection: Connection) -> None:
    """Destroys every running guest of *connection*."""
    for domain in await connection.list_all_domains(ConnectListAllDomainsFlags.ACTIVE):
        with contextlib.suppress(NoDomain, OperationInvalid):  # it has just ended by itself
            await domain.destroy()


class Booted:
    """A tiny guest that runs, its console opened before its first word."""

    def __init__(self, domain: Domain, dialogue: Dialogue, boot_id: str) -> None:
        self.domain = domain
        self.dialogue = dialogue
        self.boot_id = boot_id


BootGuest = Callable[..., Awaitable[Booted]]


@pytest.fixture
async def boot(conn: Connection) -> AsyncIterator[BootGuest]:
    """Boots tiny guests: ``await boot("name", machine="q35", …)`` as :func:`tiny_guest_xml`."""
    async with contextlib.AsyncExitStack() as consoles:

        async def start(name: str, *, flags: int = 0, **options: Any) -> Booted:
            document = tiny_guest_xml(name, **options)
            domain = await conn.create_xml(document, flags | DomainCreateFlags.START_PAUSED)
            console = await consoles.enter_async_context(domain.console())
            await domain.resume()
            dialogue = Dialogue(console)
            return Booted(domain, dialogue, await dialogue.ready())

        yield start


PausedGuest = Callable[..., Awaitable[Domain]]


@pytest.fixture
async def paused(conn: Connection) -> PausedGuest:
    """Creates paused guests without a kernel, as :func:`paused_guest_xml`."""

    async def start(name: str, *, flags: int = 0, **options: Any) -> Domain:
        document = paused_guest_xml(name, **options)
        return await conn.create_xml(document, flags | DomainCreateFlags.START_PAUSED)

    return start


def full_kernel() -> Path:
    """The newest kernel that has drivers for real hardware."""
    try:
        return hostguest.full_kernel()
    except FileNotFoundError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def full_kernel_boot(directory: Path, modules: Sequence[str]) -> str:
    """The part of ``<os>`` that boots it with *modules*; the initial file system is made here."""
    kernel = full_kernel()
    files = tiny.load_order(Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-"), modules)
    initrd = directory / "initrd.gz"
    initrd.write_bytes(image.build(tiny.busybox(), files))
    load = ",".join(path.stem for path in files)
    words = f"console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off virloom.load={load}"
    return f"<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{words}</cmdline>"


class Lifecycle:
    """Life cycle events in order, since the fixture was set up."""

    def __init__(self, events: EventStream[LifecycleEvent]) -> None:
        self._events = events

    async def until(self, last: DomainEventType, seconds: float = 30) -> list[str]:
        """The events up to the first *last*, each as ``EVENT DETAIL``."""
        seen: list[str] = []
        async with asyncio.timeout(seconds):
            async for event in self._events:
                assert isinstance(event, LifecycleEvent), f"events were lost: {event}"
                seen.append(f"{_named(event.event)} {_named(event.detail)}")
                if event.event == last:
                    break
        return seen


def _named(value: Any) -> str:
    return str(getattr(value, "name", value))


@pytest.fixture
async def lifecycle(conn: Connection) -> AsyncIterator[Lifecycle]:
    """The connection's life cycle events, from here on."""
    async with conn.lifecycle_events() as events:
        yield Lifecycle(events)


# Commands and users


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def virloom_command(installed: None) -> Command:
    """Runs ``virloom`` to its end: ``virloom_command("run", path, input="…")``."""

    def run(*words: str | Path, input: str = "", seconds: float = 90) -> Any:
        argv = [str(Path(sys.executable).with_name("virloom")), *map(str, words)]
        return subprocess.run(
            argv, input=input, capture_output=True, text=True, timeout=seconds, check=False
        )

    return run


@pytest.fixture(scope="session")
def ordinary_user(installed: None) -> Iterator[Callable[[Sequence[str]], list[str]]]:
    """Makes a command line that runs Python as an ordinary user: ``ordinary_user(["-c", code])``.

    Root becomes ``nobody``, with a copy of the package in a directory that user may read and a
    home of its own; everybody else stays who they are.
    """
    if os.geteuid() != 0:
        yield lambda words: [sys.executable, *words]
        return
    with tempfile.TemporaryDirectory(prefix="virloom-user-") as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(
            SOURCES, place / "src/virloom", ignore=shutil.ignore_patterns("__pycache__")
        )
        home = place / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        environment = [
            "env", "-i", f"HOME={home}", f"TMPDIR={home}", f"PYTHONPATH={place / 'src'}",
            "PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1",
        ]  # fmt: skip
        yield lambda words: [*become, *environment, SYSTEM_PYTHON, *words]


# Processes


def qemu_processes(root: Path) -> dict[int, str]:
    """The QEMU processes of a root, known by their directory for temporary files, with the names
    of their guests."""
    place = f"TMPDIR={root.resolve()}/".encode()
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            variables = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            if b"-name" in words and any(variable.startswith(place) for variable in variables):
                guest = words[words.index(b"-name") + 1].decode().removeprefix("guest=")
                found[int(name)] = guest.partition(",")[0]
    return found


def _ends(pid: int, seconds: float = 5) -> bool:
    """Whether a process ends by itself, which one whose guest was destroyed is about to do."""
    import select

    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], seconds)[0])
    finally:
        os.close(fd)


@pytest.fixture(name="image")
def _image(tmp_path: Path) -> Callable[[str], Path]:
    """Makes raw images of 1 MiB."""

    def make(name: str) -> Path:
        path = tmp_path / f"{name}.raw"
        path.touch()
        os.truncate(path, 1 << 20)
        return path

    return make
