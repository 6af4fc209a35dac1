# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: each target takes bytes, and raises for nothing but a bug."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from tools.fuzz.driver import FuzzService
from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.drivers.runtime.settings import parse_settings
from virloom.endpoint.remote import RemoteEndpoint
from virloom.errors import VirloomError
from virloom.model.domain import Domain
from virloom.procedures import find
from virloom.procedures.connect import CONNECT_GET_LIB_VERSION
from virloom.procedures.domain import (
    CONNECT_LIST_DOMAINS,
    DOMAIN_OPEN_CONSOLE,
    DOMAIN_SCREENSHOT,
)
from virloom.procedures.numbers import PROCEDURES
from virloom.procedures.record import VOID
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection, ServerConnection
from virloom.rpc.errors import decode_error
from virloom.rpc.messages import Call
from virloom.rpc.packet import FramingError
from virloom.rpc.xdr import XdrError, codec_for
from virloom.transport.base import PeerIdentity
from virloom.transport.memory import memory_pair
from virloom.uri import ConnectURI
from virloom.xml import format_document, parse_document

Target = Callable[[bytes], None]

_PROGRAMS = (0x20008086, 0x20008087)
_GUEST = NonnullDomain("vm", bytes(16), 1)
_RECORDS = [
    record
    for program, numbers in sorted(PROCEDURES.items())
    for number in sorted(numbers)
    if (procedure := find(program, number)) is not None
    for record in (procedure.args, procedure.ret)
]
_LIMITS = Limits()


def server(data: bytes) -> None:
    """The server's protocol core; every call's arguments are looked at and answered."""
    _serve(ServerConnection(find, _PROGRAMS), data)


def _serve(connection: ServerConnection, data: bytes) -> None:
    # The first byte says how the stream is cut into reads.
    step = data[0] + 1 if data else 1
    with contextlib.suppress(FramingError):
        for at in range(1, len(data), step):
            for message in connection.receive(data[at : at + step]):
                if isinstance(message, Call):
                    try:
                        message.arguments()
                        connection.reply(message, VOID)
                    except VirloomError as error:
                        connection.error(message, error)
            connection.data_to_send()
    connection.close()


def client(data: bytes) -> None:
    """The client's protocol core, which waits for two results, a stream each way, and events."""
    connection = ClientConnection(find)
    connection.call(CONNECT_GET_LIB_VERSION, VOID)
    connection.call(CONNECT_LIST_DOMAINS, CONNECT_LIST_DOMAINS.args(10))
    connection.call(DOMAIN_OPEN_CONSOLE, DOMAIN_OPEN_CONSOLE.args(_GUEST, None, 0))
    connection.call(DOMAIN_SCREENSHOT, DOMAIN_SCREENSHOT.args(_GUEST, 0, 0))
    step = data[0] + 1 if data else 1
    with contextlib.suppress(FramingError):
        for at in range(1, len(data), step):
            connection.receive(data[at : at + step])
            connection.data_to_send()
    connection.close()


def daemon(data: bytes) -> None:
    """A client of the daemon's frame, from its first byte to the end of its session."""
    _on_loop(_daemon(data))


async def _daemon(data: bytes) -> None:
    asyncio.get_running_loop().set_exception_handler(_unexpected)
    near, far = memory_pair(second_sees=PeerIdentity(1, 0, 0))
    near.start(lambda data, fds: None, lambda error: None)
    served = Client(_SERVICE, far, _LIMITS, readonly=False, changed=lambda client: None)
    half = len(data) // 2
    for part in (data[:half], data[half:]):
        if not near.closed:
            near.send(part)
        await _turns()
    near.abort()
    await served.gone


def endpoint(data: bytes) -> None:
    """Our client on a wire, with calls under way."""
    _on_loop(_endpoint(data))


async def _endpoint(data: bytes) -> None:
    asyncio.get_running_loop().set_exception_handler(_unexpected)
    near, far = memory_pair()
    far.start(lambda data, fds: None, lambda error: None)
    remote = RemoteEndpoint(near)
    calls = [
        asyncio.ensure_future(work)
        for work in (
            remote.call(CONNECT_GET_LIB_VERSION, VOID),
            remote.open_stream(DOMAIN_SCREENSHOT, DOMAIN_SCREENSHOT.args(_GUEST, 0, 0)),
        )
    ]
    await _turns()
    if not far.closed:
        far.send(data)
    await _turns()
    far.abort()
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, VirloomError):
            raise result
        if isinstance(result, tuple):
            result[1].abort()
    await remote.close()


def _on_loop(work: Coroutine[Any, Any, None]) -> None:
    if not _runner:
        _runner.append(asyncio.Runner())
    _runner[0].run(work)


def close_loop() -> None:
    """Ends the loop that the targets share, which costs more to make than most of them take."""
    while _runner:
        _runner.pop().close()


async def _turns() -> None:
    """Lets everything happen that is about to."""
    for _ in range(4):
        await asyncio.sleep(0)


def _unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    _failures.append(error if isinstance(error, BaseException) else RuntimeError(str(context)))


def records(data: bytes) -> None:
    """Every record: the first two bytes say which. What decodes must encode and decode alike."""
    record = _RECORDS[int.from_bytes(data[:2], "big") % len(_RECORDS)]
    codec = codec_for(record)
    try:
        found = codec.decode(data[2:])
    except XdrError:
        return
    with contextlib.suppress(XdrError):  # what is forgiven in reading may not be written
        again = codec.decode(codec.encode(found))
        # Not a number is equal to nothing, itself included.
        if again != found and "nan" not in repr(found):
            raise AssertionError(f"{found} became {again}")


def error(data: bytes) -> None:
    """The error structure of a reply."""
    decode_error(data)


def uri(data: bytes) -> None:
    """A connection's URI."""
    with contextlib.suppress(VirloomError):
        ConnectURI.parse(data.decode("utf-8", "replace"))


def config(data: bytes) -> None:
    """A configuration file."""
    with contextlib.suppress(VirloomError):
        parse_settings(data.decode("utf-8", "replace"), "fuzz.conf")


def xml(data: bytes) -> None:
    """A domain's document. What is written must be read again, and come out the same."""
    try:
        text = format_document(parse_document(Domain, data.decode("utf-8", "replace")))
    except VirloomError:
        return
    again = format_document(parse_document(Domain, text))
    if again != text:
        raise AssertionError(f"{text}\nbecame\n{again}")


def _checked(target: Target) -> Target:
    """Also fails for what a task or a callback of the loop ended with."""

    def run(data: bytes) -> None:
        _failures.clear()
        target(data)
        if _failures:
            raise _failures[0]

    return run


_failures: list[BaseException] = []
_runner: list[asyncio.Runner] = []
_SERVICE = FuzzService()

TARGETS: dict[str, Target] = {
    "server": server,
    "client": client,
    "daemon": _checked(daemon),
    "endpoint": _checked(endpoint),
    "records": records,
    "error": error,
    "uri": uri,
    "config": config,
    "xml": xml,
}
