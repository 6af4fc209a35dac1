# SPDX-License-Identifier: Apache-2.0
"""A real etcd of a test's own."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from virloom.drivers.qemu.locks.etcd_config import EtcdConfig

#: Seconds until it answers.
_PATIENCE = 30.0


class Etcd:
    """One member on a port of its own.

    Args:
        scheme: How clients speak to it.
        options: More of its command line.
    """

    def __init__(
        self, directory: Path, *, scheme: str = "http", options: Sequence[str | Path] = ()
    ) -> None:
        self._directory = directory
        self._options = options
        self._ports = [_free_port(), _free_port()]
        self.url, self._peer = (
            f"{kind}://127.0.0.1:{port}"
            for kind, port in zip((scheme, "http"), self._ports, strict=True)
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["etcd", "--data-dir", self._directory / "data",
                 "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                 "--listen-peer-urls", self._peer, "--initial-advertise-peer-urls", self._peer,
                 "--initial-cluster", f"default={self._peer}", *self._options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._ports[0]), 1):
                return
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def config(self, ttl: int = 60) -> EtcdConfig:
        config = EtcdConfig()
        config.endpoints = ["http://127.0.0.1:1", self.url]  # at one of which nobody is
        config.ttl = ttl
        return config


def _free_port() -> int:
    """None that the kernel gives to clients: one that waits for it could meet itself there."""
    while True:
        port = random.randrange(20000, 30000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
