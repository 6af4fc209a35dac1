# SPDX-License-Identifier: Apache-2.0
"""The load generator: compiled on first use, run once per figure."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.bench.side import SideError
from tools.bench.wire import messages

_SOURCE = Path(__file__).with_name("loadgen.c")


class Figures(NamedTuple):
    """What one run saw; times in microseconds."""

    calls: int
    failed: int
    elapsed: float
    median: float
    p99: float
    max: float
    own_cpu: float
    """Processor time of the generator itself."""

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.elapsed * 1e6


class Generator:
    """The compiled program.

    Args:
        directory: Where the program and its input files go.

    Raises:
        SideError: There is no C compiler, or it refuses the source.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.program = directory / "loadgen"
        argv = ["gcc", "-O2", "-o", str(self.program), str(_SOURCE)]
        try:
            subprocess.run(argv, check=True, capture_output=True, text=True)
        except FileNotFoundError as exc:
            raise SideError("the load generator needs gcc") from exc
        except subprocess.CalledProcessError as exc:
            raise SideError(f"gcc refuses the load generator: {exc.stderr}") from exc

    def calls(
        self, socket: Path, calls: bytes, count: int, *, connections: int = 1, idle: int = 0
    ) -> Figures:
        """*count* of *calls* in turn.

        Raises:
            SideError: The daemon went away, or the generator could not connect.
        """
        return self._run("calls", socket, messages.greeting(), calls, connections, idle, count)

    def fanout(self, socket: Path, calls: bytes, count: int, connections: int) -> Figures:
        """Times from a call to the event on the last of *connections*.

        Raises:
            SideError: As above, or an event did not come.
        """
        hello = messages.greeting(messages.listen())
        return self._run("fanout", socket, hello, calls, connections, 0, count)

    @contextlib.contextmanager
    def busy(self, socket: Path, calls: bytes) -> Iterator[None]:
        """Goes on with *calls* on one connection while the block runs."""
        with self._files(messages.greeting(), calls) as files:
            argv = [str(self.program), "calls", str(socket), *files, "1", "0", "100000000"]
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            try:
                yield
            finally:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def echo(self, socket: Path) -> Iterator[int]:
        """The floor: a server in C that does nothing; gives its process id."""
        with self._server("echo", socket) as process:
            yield process

    @contextlib.contextmanager
    def pump(self, socket: Path, upstream: Path) -> Iterator[int]:
        """The floor of a relay: a program in C that passes bytes on unread; its process id."""
        with self._server("pump", socket, upstream) as process:
            yield process

    @contextlib.contextmanager
    def _server(self, *words: str | Path) -> Iterator[int]:
        argv = [str(self.program), *map(str, words)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def _run(
        self, mode: str, socket: Path, hello: bytes, calls: bytes,
        connections: int, idle: int, count: int,
    ) -> Figures:  # fmt: skip
        with self._files(hello, calls) as files:
            numbers = map(str, (connections, idle, count))
            argv = [str(self.program), mode, str(socket), *files, *numbers]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SideError(done.stderr.strip() or f"the generator ended with {done.returncode}")
        return Figures(**json.loads(done.stdout))

    @contextlib.contextmanager
    def _files(self, *contents: bytes) -> Iterator[list[str]]:
        with tempfile.TemporaryDirectory(dir=self._directory) as directory:
            paths = []
            for number, content in enumerate(contents):
                path = Path(directory) / str(number)
                path.write_bytes(content)
                paths.append(str(path))
            yield paths
