# SPDX-License-Identifier: Apache-2.0
"""``virloom run``: one guest in the foreground, by the embedded driver."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator

import virloom
from virloom.cli.attend import Left, attend, signals_caught
from virloom.cli.documents import read_domain
from virloom.cli.terminal import ESCAPE, raw_mode, size_followed
from virloom.client.connection import Connection
from virloom.client.domain.console import Console
from virloom.client.domain.domain import Domain as ClientDomain
from virloom.client.domain.events import LifecycleEvent
from virloom.client.subscription import EventGap, EventStream
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainDestroyFlagsValues,
    DomainEventStoppedDetailType,
    DomainEventType,
)
from virloom.errors import InvalidArg, NoDomain, OperationFailed, OperationInvalid, VirloomError
from virloom.model.domain import Domain
from virloom.uri import ConnectURI

_EPILOG = """\
The guest's console (its first serial port or console) is on standard input and output; one of
type 'stdio' too. On a terminal, ctrl-] leaves. The guest ends with the command, whatever ends
that, unless --keep is given: then it goes on, and whoever opens the root next has it.

exit code: 0 the guest powered off, or was left running by --keep; 1 it crashed or was killed,
also by ctrl-]; 2 it could not be started; 128 and a signal's number when that ended it
"""

_ENDED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("document", metavar="GUEST.xml", help="the guest; - is standard input")
    parser.add_argument(
        "--root", metavar="DIR", help="where its state is kept; default: a temporary directory"
    )
    parser.add_argument("--keep", action="store_true", help="the guest outlives the command")


def execute(options: argparse.Namespace) -> int:
    """Boot the guest and stay with it."""
    if options.keep and options.root is None:
        raise InvalidArg(
            "--keep without --root: a temporary directory does not outlive the command",
            remedy="name a directory with --root",
        )
    domain = read_domain(options.document)
    console_on_terminal(domain)
    with root_directory(options.root) as root:
        return asyncio.run(_run(domain, root, options.keep))


def console_on_terminal(domain: Domain) -> None:
    """What the document has on QEMU's own input and output is put where we can pass it on."""
    for device in (*domain.devices.serials[:1], *domain.devices.consoles[:1]):
        if device.type == "stdio":
            device.type = "pty"


@contextlib.contextmanager
def root_directory(chosen: str | None, *, prefix: str = "virloom-run-") -> Iterator[str]:
    """The absolute path of *chosen*, or of a private directory that is removed in the end."""
    if chosen is not None:
        yield os.path.abspath(chosen)
        return
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as path:
        yield path


def embedded_uri(root: str) -> ConnectURI:
    """The connection's URI of the embedded driver in *root*."""
    return ConnectURI("qemu", path="/embed", params={"root": root})


async def _run(domain: Domain, root: str, keep: bool) -> int:
    with signals_caught(*_ENDED_BY) as stopped:
        async with virloom.open(embedded_uri(root)) as connection:
            return await _Foreground(connection, keep).run(domain, stopped)


class _Foreground:
    """The guest of this command, from its start to its end."""

    def __init__(self, connection: Connection, keep: bool) -> None:
        self._connection = connection
        self._keep = keep

    async def run(self, document: Domain, stopped: asyncio.Future[signal.Signals]) -> int:
        """Start the guest, stay with it, and say how it ended."""
        async with self._connection.lifecycle_events() as events:
            flags = DomainCreateFlags.START_PAUSED
            if not self._keep:
                flags |= DomainCreateFlags.START_AUTODESTROY
            # Paused, so that no word is lost before the console is open.
            domain = await self._connection.create_xml(document, flags)
            console = await _console_of(domain)
            ended = asyncio.create_task(end_of(events, domain))
            try:
                await domain.resume()
                left = await _stay(console, ended, stopped)
                if left is not None:
                    return await self._leave(domain, left)
                return outcome(domain.name, await ended)
            finally:
                ended.cancel()
                if console is not None:
                    await console.close()

    async def _leave(self, domain: ClientDomain, left: Left | signal.Signals) -> int:
        why = left.value if isinstance(left, Left) else left.name
        code = 128 + left if isinstance(left, signal.Signals) else 1
        if self._keep:
            _say(f"guest '{domain.name}' goes on ({why})")
            return code if isinstance(left, signal.Signals) else 0
        with contextlib.suppress(NoDomain, OperationInvalid):  # it has just ended by itself
            await domain.destroy(DomainDestroyFlagsValues.GRACEFUL)
        _say(f"guest '{domain.name}' was ended ({why})")
        return code


async def end_of(
    events: EventStream[LifecycleEvent], domain: ClientDomain
) -> DomainEventStoppedDetailType:
    """How *domain* ended, once it has."""
    async for event in events:
        if isinstance(event, EventGap) or event.domain != domain.ref:
            continue
        if event.event == DomainEventType.STOPPED:
            return DomainEventStoppedDetailType(event.detail)
    raise OperationFailed(f"the connection ended before guest '{domain.name}'")


def outcome(name: str, detail: DomainEventStoppedDetailType) -> int:
    """The exit code for a guest that ended so, told to the user where it is not plain."""
    if detail == DomainEventStoppedDetailType.SHUTDOWN:
        return 0
    words = {
        DomainEventStoppedDetailType.CRASHED: "crashed",
        DomainEventStoppedDetailType.DESTROYED: "was killed",
        DomainEventStoppedDetailType.FAILED: "failed: its QEMU crashed or was killed",
    }
    _say(f"guest '{name}' {words.get(detail, f'ended: {detail.name.lower()}')}")
    return 1


async def _console_of(domain: ClientDomain) -> Console | None:
    try:
        return await domain.console()
    except VirloomError as error:
        _say(f"the console is not shown: {error.detail}")
        return None


async def _stay(
    console: Console | None,
    ended: asyncio.Task[DomainEventStoppedDetailType],
    stopped: asyncio.Future[signal.Signals],
) -> Left | signal.Signals | None:
    typed, shown = sys.stdin.fileno(), sys.stdout.fileno()
    terminal = os.isatty(typed)
    if terminal and console is not None:
        _say("this is the guest's console; ctrl-] leaves it")
    with raw_mode(typed), size_followed(typed, console.fileno() if console else None):
        return await attend(
            ended,
            stopped,
            console,
            input_fd=typed,
            output_fd=shown,
            escape=ESCAPE if terminal else None,
        )


def _say(words: str) -> None:
    print(f"virloom run: {words}", file=sys.stderr, flush=True)
