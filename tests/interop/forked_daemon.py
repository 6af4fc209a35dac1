# SPDX-License-Identifier: Apache-2.0
"""virtstoraged as a fork of a process that has imported all of it.

Where an emulated processor runs the tests, importing costs half a minute at each start; a fork
costs nothing. What is killed is the daemon's own program.
"""

from __future__ import annotations

import os
import pkgutil
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

from tests.interop.conftest import Virtstoraged
from virloom.daemons import virtstoraged

#: Packages that the daemon needs, early or late.
_PACKAGES = (
    "virloom.daemon", "virloom.drivers.storage", "virloom.drivers.runtime", "virloom.endpoint",
    "virloom.host", "virloom.model.storage", "virloom.procedures", "virloom.rpc",
    "virloom.transport", "virloom.xml",
)  # fmt: skip


def import_all() -> None:
    """Imports what forks are to have; what needs a package that is not here is left to them."""
    for name in _PACKAGES:
        package = import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            try:
                import_module(found.name)
            except ImportError:
                continue


class ForkedVirtstoraged(Virtstoraged):
    """The daemon, started by a fork; one at a time."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._child = 0

    @property
    def pid(self) -> int:
        assert self._child
        return self._child

    def start(self, *options: str) -> None:
        address = self.root / f"{self.name}.notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(str(address))
            told.settimeout(self.patience)
            self._child = os.fork()
            if self._child == 0:
                self._run(str(address), options)
            while told.recv(4096) != b"READY=1":
                pass

    def _run(self, address: str, options: tuple[str, ...]) -> None:
        """The child: never returns."""
        code = 1
        try:
            log = os.open(self.root / "daemon.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for descriptor, source in ((0, nothing), (1, log), (2, log)):
                os.dup2(source, descriptor)
            os.environ["NOTIFY_SOCKET"] = address
            sys.argv = [self.name, "--root", str(self.root), *options]
            code = virtstoraged.main()
        finally:
            os._exit(code)

    def signal(self, number: int) -> int:
        """Sends a signal that ends it; its exit code, below zero for the signal."""
        pidfd = os.pidfd_open(self.pid)
        try:
            signal.pidfd_send_signal(pidfd, number)
            if not select.select([pidfd], [], [], self.patience)[0]:
                raise TimeoutError(f"'{self.name}' does not end")
        finally:
            os.close(pidfd)
        child, self._child = self._child, 0
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
