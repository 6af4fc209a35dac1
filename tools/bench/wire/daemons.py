# SPDX-License-Identifier: Apache-2.0
"""The daemons that are compared: each with files of its own, started and killed at will."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

from tools.bench.side import SideError

_PATIENCE = 60.0
_TICK = 0.0005
"""Seconds between two looks for a socket: shorter than what is measured by far."""

_CONFIG = 'stdio_handler = "file"\nsecurity_driver = "none"\nnamespaces = []\n'
_OURS = "from virloom.daemons.virtqemud import main; raise SystemExit(main())"
_PRIVATE = ("etc/libvirt", "run", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt")


class Daemon(ABC):
    """A daemon on a directory; what it keeps there outlives it.

    Attributes:
        name: Of its column.
        directory: Where all of its files are.
        socket: Where clients connect.
    """

    name: str
    socket: Path

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _argv(self) -> list[str]:
        """What starts it."""

    def start(self) -> float:
        """Starts it; returns the seconds until a client is answered.

        Raises:
            SideError: It ends, or nobody is answered for a minute.
        """
        begun = time.perf_counter()
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
                raise SideError(f"{self.name} does not answer: see {self.directory}/log")
            time.sleep(_TICK)
        return time.perf_counter() - begun

    def _answers(self) -> bool:
        from tools.bench.wire import messages

        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            for request in (messages.greeting(), messages.version()):
                client.sendall(request)
            # Three answers: 36 bytes to AUTH_LIST, 28 to CONNECT_OPEN, 36 to the version.
            client.settimeout(_PATIENCE)
            left = 36 + 28 + 36
            while left > 0 and (got := len(client.recv(left))):
                left -= got
            return left == 0

    @property
    def pid(self) -> int:
        """Of the running daemon."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Ends it without a word; its guests go on."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it in order; its guests go on."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
            self._process.wait()
            self._process = None

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> tuple[float, float]:
        """RSS and PSS in MB."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        sizes = {line.split(":")[0]: line.split() for line in text.splitlines()[1:]}
        return int(sizes["Rss"][1]) / 1000, int(sizes["Pss"][1]) / 1000

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Virtqemud(Daemon):
    """Ours."""

    name = "virtqemud"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (directory / "etc/libvirt").mkdir(parents=True)
        (directory / "etc/libvirt/qemu.conf").write_text(_CONFIG)
        self.socket = directory / "run/libvirt/virtqemud-sock"

    def _argv(self) -> list[str]:
        return [sys.executable, "-c", _OURS, "--root", str(self.directory)]


class Beside(Daemon):
    """Another daemon of the family, over virtqemud's directory; started when that one answers.

    Args:
        directory: virtqemud's.
        module: Where its ``main`` is.
        sockets: What the names of its sockets begin with.
    """

    def __init__(self, directory: Path, module: str, sockets: str) -> None:
        super().__init__(directory)
        self.name = module.rpartition(".")[2]
        self._module = module
        self.socket = directory / f"run/libvirt/{sockets}-sock"

    def _argv(self) -> list[str]:
        program = f"from {self._module} import main; raise SystemExit(main())"
        return [sys.executable, "-c", program, "--root", str(self.directory)]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0


class Libvirtd(Daemon):
    """libvirt's, in namespaces of its own where its directories are ours."""

    name = "libvirtd"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        for place in _PRIVATE:
            (directory / place).mkdir(parents=True, mode=0o755)
            Path("/", place).mkdir(parents=True, exist_ok=True)
        (directory / "etc/libvirt/qemu.conf").write_text(_CONFIG)
        self.socket = directory / "run/libvirt/libvirt-sock"

    def _argv(self) -> list[str]:
        binds = "".join(
            f"mount --bind {shlex.quote(str(self.directory / place))} /{place} && "
            for place in _PRIVATE
        )
        return [
            *("unshare", "--mount", "--net", "--propagation", "private"),
            *("sh", "-c", binds + "exec /usr/sbin/libvirtd"),
        ]
