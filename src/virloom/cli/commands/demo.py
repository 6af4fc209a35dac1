# SPDX-License-Identifier: Apache-2.0
"""``virloom demo``: a tiny guest, from its document to its end, and how long each step took."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import virloom
from virloom.cli.commands.run import embedded_uri, end_of
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import LifecycleEvent
from virloom.client.subscription import EventStream
from virloom.enums.domain import DomainCreateFlags, DomainEventStoppedDetailType
from virloom.errors import OperationFailed, OperationTimeout
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import tiny_guest_xml

_EPILOG = """\
exit code: 0 the guest booted, answered and powered off; 2 it did not
"""

_END_SECONDS = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--machine", choices=("microvm", "q35", "pc"), default="microvm", help="default: microvm"
    )


def execute(options: argparse.Namespace) -> int:
    """Boot the guest, ask it something, and have it power off."""
    with _step("made the guest's image and document"):
        document = tiny_guest_xml("demo", machine=options.machine)
    with tempfile.TemporaryDirectory(prefix="virloom-demo-", ignore_cleanup_errors=True) as root:
        asyncio.run(_demo(root, document))
    print("done: nothing is left of it")
    return 0


async def _demo(root: str, document: str) -> None:
    with _step(f"opened the embedded driver in {root}"):
        connection = await virloom.open(embedded_uri(root))
    async with connection, connection.lifecycle_events() as events:
        with _step("created the guest, paused"):
            flags = DomainCreateFlags.START_PAUSED | DomainCreateFlags.START_AUTODESTROY
            domain = await connection.create_xml(document, flags)
        await _talk(domain)
        with _step("it has powered off by itself, and QEMU is gone"):
            await _powered_off(events, domain)


async def _talk(domain: Domain) -> None:
    async with domain.console() as console:
        dialogue = Dialogue(console)
        with _step("let it run; its kernel is up and it reads its console"):
            await domain.resume()
            await dialogue.ready()
        with _step("asked it who it is"):
            await dialogue.tell("uname -sr; uptime")
            await dialogue.expect(rb"\n# ")
        info = await domain.info()
        print(f"  it has {info.memory >> 10} MiB of memory and {info.vcpus} virtual CPU")
        with _step("pressed its power button"):
            await domain.shutdown()
        _show(bytes(dialogue.transcript))


async def _powered_off(events: EventStream[LifecycleEvent], domain: Domain) -> None:
    try:
        async with asyncio.timeout(_END_SECONDS):
            how = await end_of(events, domain)
    except TimeoutError:
        raise OperationTimeout(f"the guest did not power off in {_END_SECONDS:g} s") from None
    if how != DomainEventStoppedDetailType.SHUTDOWN:
        raise OperationFailed(f"the guest did not power off but ended as {how.name.lower()}")


def _show(transcript: bytes) -> None:
    for line in transcript.decode(errors="replace").splitlines():
        print(f"  | {line}")


@contextmanager
def _step(what: str) -> Iterator[None]:
    start = perf_counter()
    yield
    print(f"{(perf_counter() - start) * 1000:7.0f} ms  {what}", flush=True)
