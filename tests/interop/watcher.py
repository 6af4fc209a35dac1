# SPDX-License-Identifier: Apache-2.0
"""Whoever watches a daemon whose descriptors outlive it, as ``virloom daemons`` does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.interop.conftest import STEP
from virloom.cli.store import DescriptorStore
from virloom.daemon.handover import VARIABLE, variable
from virloom.host.fdpass import recv_fds


class Watcher:
    """Starts the daemon, keeps what it leaves, and starts it again at once.

    Args:
        root: Its root.
        name: Its name.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.store = DescriptorStore()
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(root / "notify"))
        self._told.settimeout(STEP)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        held = self.store.held
        program = f"from virloom.daemons.{self.name} import main; raise SystemExit(main())"
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--root", str(self.root)],
            env={**os.environ, "NOTIFY_SOCKET": str(self.root / "notify"),
                 VARIABLE: variable(held)},
            pass_fds=list(held.values()),
        )  # fmt: skip
        self._hear_until("READY=1")
        return process

    def _hear_until(self, word: str) -> None:
        text = ""
        while text != word:
            data, fds = recv_fds(self._told, 4096, 250)
            text = data.decode()
            self.store.take(text, fds)

    def kill(self) -> None:
        """Kills the daemon, and starts it again."""
        self.end_it()
        self.start_it()

    def end_it(self) -> None:
        """Kills the daemon; what it has left is here."""
        self.process.kill()
        self.process.wait(STEP)
        self._told.settimeout(0)
        try:
            self._hear_until("nothing more")
        except BlockingIOError:
            self._told.settimeout(STEP)

    def start_it(self) -> None:
        """Starts it with what it has left."""
        self.process = self._start()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STEP)
        self.store.close()
        self._told.close()
        return code
