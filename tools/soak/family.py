# SPDX-License-Identifier: Apache-2.0
"""``virloom daemons`` over a root: its lines, the processes that it tells of, and guests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_COMMAND = "from virloom.cli.main import main; raise SystemExit(main())"
_READY = re.compile(r"(\w+): ready as process (\d+)")


class Family:
    """The daemons.

    Args:
        prefix: What their command line begins with, to run them elsewhere.
        options: Of ``virloom daemons``.

    Attributes:
        root: What all of their files are below.
        sockets: What is killed, and what the names of its sockets begin with.
        pids: Their processes, as told last.
    """

    def __init__(
        self,
        root: Path,
        sockets: Mapping[str, str],
        prefix: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.sockets = sockets
        self._prefix = prefix
        self._options = options
        self.pids: dict[str, int] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def uri(self, sockets: str, scheme: str = "qemu") -> str:
        """What leads to a daemon."""
        return f"{scheme}+unix:///system?socket={self.root}/run/libvirt/{sockets}-sock"

    async def start(self) -> None:
        """Returns when all are ready."""
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix, sys.executable, "-c", _COMMAND, "daemons", "--root", str(self.root),
            *self._options,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=(self.root / "log").open("wb"), start_new_session=True,
        )  # fmt: skip
        self._reader = asyncio.ensure_future(self._read(self._process))
        while not self.sockets.keys() <= self.pids.keys():
            await self._told()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            said = _READY.match(line.decode())
            if said is not None:
                self.pids[said[1]] = int(said[2])
                self._news.set()

    async def _told(self) -> None:
        self._news.clear()
        async with asyncio.timeout(60):
            await self._news.wait()

    async def kill(self, name: str) -> None:
        """Ends a daemon without a word."""
        os.kill(self.pids[name], signal.SIGKILL)

    async def ready_again(self, name: str, before: int) -> None:
        """Returns when another process of this daemon is ready than the one *before*."""
        while self.pids[name] == before:
            await self._told()

    async def end(self) -> None:
        """Ends all, guests too."""
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
        if self._reader is not None:
            await self._reader
        for pid in self.guests():
            os.kill(pid, signal.SIGKILL)

    def guest(self, number: int) -> str:
        """The name of a guest, which no other family has."""
        return f"{self.root.name}-{number}"

    def guests(self) -> dict[int, str]:
        """The processes of guests, known by their names (:meth:`guest`), and these."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                command = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace")
                guest = re.search(r"\0guest=([^,]+),", command)
                if guest is not None and guest[1].startswith(self.root.name):
                    found[int(name)] = guest[1]
        return found
