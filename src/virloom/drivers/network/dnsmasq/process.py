# SPDX-License-Identifier: Apache-2.0
"""The dnsmasq of a network: started, told of changes, ended, and found again by a new daemon.

It goes on whatever becomes of us. Whose a process is tells its command line, which names the
network's file: so a kill at any moment leaves none that nobody finds.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.dnsmasq import lease_helper
from virloom.drivers.network.dnsmasq.configuration import configuration, needs_dnsmasq
from virloom.drivers.network.dnsmasq.files import DnsmasqFiles
from virloom.drivers.network.dnsmasq.hosts import hosts_file, names_file
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.host.files import write_atomic
from virloom.host.identity import ProcessIdentity
from virloom.host.pidfd import PidFd
from virloom.model.network import Network

_PROGRAM = "dnsmasq"
#: Seconds that it may take to end before it is killed: it ends at once.
_PATIENCE = 5.0
#: dnsmasq reads its files as a user of its own.
_READABLE = 0o644


class Dnsmasq:
    """What serves addresses and names to the guests of one network.

    Args:
        host: Where it runs.
        directories: Where its files are.
        model: The network's document.
    """

    def __init__(self, host: NetworkHost, directories: NetworkDirectories, model: Network) -> None:
        self._host = host
        self._directories = directories
        self._model = model
        self._files = DnsmasqFiles.of(model.name, directories)

    @property
    def wanted(self) -> bool:
        """Whether there is anything for it to do."""
        return needs_dnsmasq(self._model)

    async def start(self) -> None:
        """Starts it with fresh files.

        Raises:
            ConfigUnsupported: It is not installed, or cannot be told what the document says.
            InternalError: It ended at once, with its words.
            SystemFailure: A file cannot be written.
        """
        if not self._host.is_on_path(_PROGRAM):
            raise ConfigUnsupported(
                f"network '{self._model.name}' has addresses or names to give, which needs "
                f"'{_PROGRAM}'",
                domain=ErrorDomain.NETWORK,
                remedy="install the package dnsmasq-base",
            )
        for path, text in self._texts().items():
            write_atomic(path, text.encode(), mode=_READABLE, durable=False)
        await self._run()

    async def _run(self) -> None:
        """It goes to the background by itself, once it listens."""
        done = await self._host.run(
            [
                _PROGRAM,
                f"--conf-file={self._files.configuration}",
                "--leasefile-ro",
                f"--dhcp-script={self._write_script()}",
                *self._host.user_options,
            ]
        )
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise InternalError(
                f"network '{self._model.name}': dnsmasq ended with {done.returncode}: {words}"
            )

    async def change(self, former: Dnsmasq) -> None:
        """Goes on from *former*, the same network with another document.

        Machines and names are read by the process that runs; all else takes a new one, which
        knows all leases.

        Raises:
            VirloomError: As :meth:`start`; the former one runs again then, if it can.
        """
        running = former.find()
        if not self.wanted:
            await former.stop()
            return
        before, after = former._texts(), self._texts()
        if running is None or before[self._files.configuration] != after[self._files.configuration]:
            await self._replace(former)
        elif before != after:
            for path, text in after.items():
                write_atomic(path, text.encode(), mode=_READABLE, durable=False)
            _send(running, signal.SIGHUP)

    async def _replace(self, former: Dnsmasq) -> None:
        await former.stop()
        try:
            await self.start()
        except BaseException:
            if former.wanted:
                await former.start()
            raise

    async def take_over(self) -> bool:
        """Starts it again if it has ended while nobody looked.

        Returns:
            Whether that was so.
        """
        if not self.wanted or self.find() is not None:
            return False
        await self.start()
        return True

    async def renew(self) -> None:
        """Has one that runs with the document, whatever one runs with now.

        Raises:
            VirloomError: As :meth:`start`.
        """
        await self.stop()
        if self.wanted:
            await self.start()

    async def stop(self) -> None:
        """Ends it, if it runs, and removes its files; leases stay, as with libvirt."""
        known = self._told()
        if known is not None:  # nobody else has the network's addresses then
            await _end(known)
        else:
            while (running := next(iter(self._found()), None)) is not None:
                await _end(running)
        for path in self._files:
            path.unlink(missing_ok=True)

    def find(self) -> ProcessIdentity | None:
        """The process that runs with the network's file; None where none does."""
        return self._told() or next(iter(self._found()), None)

    def _told(self) -> ProcessIdentity | None:
        """The one that its file tells of, which it writes when it serves."""
        try:
            return self._ours(int(self._files.pid.read_text()))
        except (OSError, ValueError):
            return None

    def _found(self) -> list[ProcessIdentity]:
        """Those that run without a file that tells it.

        We were killed while one started, or somebody has removed the file.
        """
        if not self._files.configuration.exists():
            return []
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        return [found for pid in pids if (found := self._ours(pid)) is not None]

    def _ours(self, pid: int) -> ProcessIdentity | None:
        try:
            identity = ProcessIdentity.of(pid)
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        ours = os.fsencode(f"--conf-file={self._files.configuration}") in words
        return identity if ours else None

    def _texts(self) -> dict[Path, str]:
        return {
            self._files.configuration: configuration(self._model, self._files),
            self._files.hosts: hosts_file(self._model),
            self._files.names: names_file(self._model),
        }

    def _write_script(self) -> Path:
        """What dnsmasq runs for each lease: one program, without arguments of ours.

        The helper needs nothing but the standard library, and is run by its file: that is quick.
        """
        words = [
            sys.executable, "-I", "-S", lease_helper.__file__, str(self._directories.dnsmasq),
            self._model.bridge.name or "",
        ]  # fmt: skip
        text = f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
        write_atomic(self._files.script, text.encode(), mode=0o755, durable=False)
        return self._files.script


def _send(process: ProcessIdentity, number: int) -> None:
    try:
        held = PidFd.open(process)
    except ProcessLookupError:
        return
    held.send_signal(number)
    held.close()


async def _end(process: ProcessIdentity) -> None:
    try:
        held = PidFd.open(process)
    except ProcessLookupError:
        return
    try:
        held.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_PATIENCE):
                await held.wait()
        except TimeoutError:
            held.send_signal(signal.SIGKILL)
            await held.wait()
    finally:
        held.close()
