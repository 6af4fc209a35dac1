# SPDX-License-Identifier: Apache-2.0
"""Daemons in the foreground: started, watched, started again, and ended together.

Each is in a session of its own, and so are its guests: a signal of the terminal reaches only the
one who watches. Should that one be killed, the daemons go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.cli.store import DescriptorStore, Listener
from virloom.daemon.handover import VARIABLE, variable
from virloom.errors import VirloomError
from virloom.host.process import Process, SpawnRequest, start

#: Seconds before a daemon that ended is started again: at first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
#: Seconds after which a daemon that ran counts as one that runs.
_SETTLED = 3.0
#: Ends in a row without having been ready, after which a daemon is given up.
_ATTEMPTS = 5
#: Seconds that others wait for what they need.
_TURN = 10.0
#: Seconds for an orderly end.
_END_PATIENCE = 20.0

#: Told one line for each thing that happens.
Tell = Callable[[str], None]


class Watched(NamedTuple):
    """A daemon to run.

    Attributes:
        name: Its program.
        options: Of its command line.
        first: Others need it: they are started once it is ready, or has failed.
    """

    name: str
    options: Sequence[str]
    first: bool = False


class Supervisor:
    """Runs daemons until it is told to end.

    Args:
        tell: Where the lines go.

    Attributes:
        given_up: The daemons that never became ready.
    """

    def __init__(self, tell: Tell) -> None:
        self.given_up: list[str] = []
        self._tell = tell
        self._stopping = asyncio.Event()
        self._awaited: set[str] = set()
        self._turn_over = asyncio.Event()

    def stop(self) -> None:
        """Ends all of them."""
        self._stopping.set()

    async def run(self, daemons: Sequence[Watched]) -> None:
        """Returns when all have ended: because of :meth:`stop`, or since all were given up."""
        with tempfile.TemporaryDirectory(prefix="virloom-daemons-") as directory:
            tasks = []
            for first in (True, False):
                turn = [daemon for daemon in daemons if daemon.first == first]
                self._awaited = {daemon.name for daemon in turn}
                tasks += [
                    asyncio.ensure_future(self._keep(daemon, Path(directory))) for daemon in turn
                ]
                if first and turn:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_TURN):
                            await self._turn_over.wait()
            await asyncio.wait(tasks)
            for task in tasks:
                task.result()

    def _heard(self, daemon: Watched) -> None:
        """It is ready, or has ended: nobody waits for it any more."""
        self._awaited.discard(daemon.name)
        if not self._awaited:
            self._turn_over.set()

    async def _keep(self, daemon: Watched, directory: Path) -> None:
        """One daemon, over all its lives; what it left with us is closed with the last one."""
        store = DescriptorStore()
        try:
            await self._keep_alive(daemon, directory, store)
        finally:
            store.close()

    async def _keep_alive(self, daemon: Watched, directory: Path, store: DescriptorStore) -> None:
        pause, failures = _FIRST_PAUSE, 0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            begun = loop.time()
            was_ready, how = await self._live(daemon, directory, store)
            if self._stopping.is_set():
                self._tell(f"{daemon.name}: {how}")
                return
            failures = 0 if was_ready else failures + 1
            if failures == _ATTEMPTS:
                self._tell(f"{daemon.name}: {how}; given up after {_ATTEMPTS} attempts")
                self.given_up.append(daemon.name)
                return
            if loop.time() - begun >= _SETTLED:
                pause = _FIRST_PAUSE
            self._tell(f"{daemon.name}: {how}; again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _live(
        self, daemon: Watched, directory: Path, store: DescriptorStore
    ) -> tuple[bool, str]:
        """One life: whether clients could connect, and how it ended."""
        address = directory / daemon.name
        process: Process | None = None

        def ready() -> None:
            pid = process.pid if process is not None else "?"
            self._tell(f"{daemon.name}: ready as process {pid}")
            self._heard(daemon)

        listener = Listener(address, store, ready)
        try:
            process = await start(_request(daemon, address, store))
            how = await self._watch(process)
        except VirloomError as error:
            how = error.message
        finally:
            listener.close()
            self._heard(daemon)
            if process is not None:
                process.close()
        return listener.heard, how

    async def _watch(self, process: Process) -> str:
        ended = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            process.send_signal(signal.SIGTERM)
            await asyncio.wait({ended}, timeout=_END_PATIENCE)
        if not ended.done():
            process.send_signal(signal.SIGKILL)
        return _how(await ended)


def _request(daemon: Watched, address: Path, store: DescriptorStore) -> SpawnRequest:
    program = f"from virloom.daemons.{daemon.name} import main; raise SystemExit(main())"
    held = store.held
    return SpawnRequest(
        [sys.executable, "-c", program, *daemon.options],
        env={**os.environ, "NOTIFY_SOCKET": str(address), VARIABLE: variable(held)},
        stdout=1,
        stderr=2,
        pass_fds=list(held.values()),
        umask=0o022,
    )


def _how(code: int | None) -> str:
    if code is None:
        return "ended"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return "ended" if code == 0 else f"ended with exit code {code}"
