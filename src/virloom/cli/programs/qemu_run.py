# SPDX-License-Identifier: Apache-2.0
"""``virt-qemu-run``: one QEMU guest by the embedded driver, for as long as the program runs.

Exit codes, as libvirt's: 0 the guest ended, or a signal ended it and the program; 1 it could not
be started. One whose QEMU died is 1 as well; libvirt's program then waits for ever.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import virloom
from virloom.cli.attend import signals_caught
from virloom.cli.commands.run import embedded_uri, end_of, root_directory
from virloom.cli.documents import read_bytes
from virloom.cli.programs.arguments import VERSION, ProgramParser
from virloom.cli.reader import may_be_left
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import LifecycleEvent
from virloom.client.subscription import EventStream
from virloom.enums.domain import DomainCreateFlags, DomainEventStoppedDetailType
from virloom.errors import NoDomain, OperationInvalid, VirloomError
from virloom.uri import ConnectURI

_NAME = "virt-qemu-run"
_ENDED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Refused(Exception):
    """What could not be done; its words are the program's last."""


class SecretFiles(NamedTuple):
    """A secret's document and its value, each in a file."""

    document: str
    value: str


@may_be_left
def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    options = _parser().parse_args(argv)
    if options.debug:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    say = _Progress(options.verbose)
    say("reading '%s'", options.guest)
    try:
        text = _read(options.guest, "")
        secrets = [_secret(pair) for pair in options.secret]
        with root_directory(options.root, prefix="virt-qemu-run-") as root:
            asyncio.run(_run(text, secrets, embedded_uri(root), say))
    except _Refused as refused:
        print(f"{_NAME}: {refused}", file=sys.stderr)
        return 1
    say("cleaned up, exiting")
    return 0


def _parser() -> ProgramParser:
    parser = ProgramParser(
        _NAME, "Runs a QEMU guest that no daemon knows of.", (f"{_NAME} (libvirt) {VERSION}", "-V")
    )
    add = parser.add_argument
    add(
        "-s", "--secret", metavar="SECRET-XML-FILE,SECRET-VALUE-FILE", action="append", default=[],
        type=_pair, help="a secret that the guest needs; any number of times",
    )  # fmt: skip
    add("-r", "--root", metavar="DIR", help="where its state is kept; default: a temporary one")
    add("-d", "--debug", action="store_true", help="log what the driver does")
    add("-v", "--verbose", action="store_true", help="say what is done, with microseconds")
    add("guest", metavar="GUEST-XML-FILE", help="the document of the guest")
    return parser


def _pair(text: str) -> SecretFiles:
    document, comma, value = text.partition(",")
    if not (document and comma and value):
        raise argparse.ArgumentTypeError("expected two file names with a comma between them")
    return SecretFiles(document, value)


class _Progress:
    """What ``--verbose`` shows: microseconds since the start, and what is done."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._start = time.monotonic()

    def __call__(self, words: str, *values: object) -> None:
        if self._shown:
            passed = int((time.monotonic() - self._start) * 1_000_000)
            print(f"{_NAME}: {passed}: {words % values}", file=sys.stderr, flush=True)


def _read(path: str, what: str) -> bytes:
    try:
        return read_bytes(path)
    except VirloomError as error:
        raise _Refused(f"cannot read {what}{path}: {error.message}") from error


def _secret(pair: SecretFiles) -> tuple[str, bytes]:
    document = _read(pair.document, "secret XML ").decode(errors="replace")
    return document, _read(pair.value, "secret value ")


async def _run(
    text: bytes, secrets: list[tuple[str, bytes]], uri: ConnectURI, say: _Progress
) -> None:
    with signals_caught(*_ENDED_BY) as stopped:
        say("opening %s", uri)
        try:
            connection = await virloom.open(uri)
        except VirloomError as error:
            raise _Refused(f"cannot open {uri}: {error.message}") from error
        async with connection:
            await _load(connection, secrets)
            async with connection.lifecycle_events() as events:
                say("starting the guest")
                domain = await _started(connection, text)
                say("guest running, Ctrl-C to stop now")
                await _stay(events, domain, stopped)


async def _load(connection: Connection, secrets: list[tuple[str, bytes]]) -> None:
    for document, value in secrets:
        try:
            secret = await connection.secrets.define_xml(document)
            await secret.set_value(value)
        except VirloomError as error:
            raise _Refused(f"cannot load a secret: {error.message}") from error


async def _started(connection: Connection, text: bytes) -> Domain:
    try:
        return await connection.create_xml(
            text.decode(errors="replace"), DomainCreateFlags.START_AUTODESTROY
        )
    except VirloomError as error:
        raise _Refused(f"cannot start VM: {error.message}") from error


async def _stay(
    events: EventStream[LifecycleEvent], domain: Domain, stopped: asyncio.Future[signal.Signals]
) -> None:
    ended = asyncio.create_task(end_of(events, domain))
    try:
        waits: list[asyncio.Future[Any]] = [ended, stopped]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            _judge(domain.name, ended.result())
            return
        try:
            await domain.destroy()
        except (NoDomain, OperationInvalid):  # it has just ended by itself
            return
    finally:
        ended.cancel()


def _judge(name: str, detail: DomainEventStoppedDetailType) -> None:
    if detail in (DomainEventStoppedDetailType.CRASHED, DomainEventStoppedDetailType.FAILED):
        raise _Refused(f"guest '{name}' {detail.name.lower()}")


if __name__ == "__main__":
    sys.exit(main())
