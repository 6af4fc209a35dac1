# SPDX-License-Identifier: Apache-2.0
"""QMP without I/O: bytes in, messages out, and the reverse; one class for both ends.

The format is that of QEMU's ``docs/interop/qmp-spec``: JSON objects, which QEMU writes one to a
line. Both QEMU and the guest inside it count as hostile here: each line, its nesting, the rate of
events and the replies that may come at all are bounded, and what does not fit ends the
conversation (:class:`ProtocolViolation`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple, NoReturn


class Limits(NamedTuple):
    """What a peer may send.

    Attributes:
        reply: Bytes of a reply's line.
        event: Bytes of an event's or a greeting's line, and of any line while no reply is awaited.
        depth: Levels of nesting.
        event_burst: Events that may come at once.
        event_rate: Events per second that may come for ever. QEMU holds back most events that a
            guest can cause to one per second; those of failed disk requests come unhindered.
        commands: Commands that may await their reply.
    """

    reply: int = 64 << 20
    event: int = 1 << 20
    depth: int = 64
    event_burst: int = 20_000
    event_rate: float = 4_000.0
    commands: int = 1_000


class ProtocolViolation(Exception):
    """The peer sent what QMP or the limits do not allow; nothing after it can be trusted."""


class Greeting(NamedTuple):
    """QEMU's first line: its version and what it can negotiate."""

    version: Mapping[str, Any]
    capabilities: tuple[str, ...]


class Event(NamedTuple):
    """Something that happened: its data, and QEMU's time of it (-1 where QEMU had none)."""

    name: str
    data: Mapping[str, Any]
    seconds: int = -1
    microseconds: int = -1


class Failure(NamedTuple):
    """Why a command failed, in QEMU's words."""

    kind: str
    description: str


class Reply(NamedTuple):
    """The answer to a command: a value, or a failure."""

    id: int
    value: Any
    failure: Failure | None


class Command(NamedTuple):
    """What a client wants done; ``id`` is repeated in the reply."""

    name: str
    arguments: Mapping[str, Any]
    id: Any


Message = Greeting | Event | Reply | Command


class Side(Enum):
    """Which end of a conversation a codec is."""

    CLIENT = "client"
    SERVER = "server"


class Codec:
    """One end of a QMP conversation.

    Args:
        side: Ours; it decides which messages the peer may send.
        limits: What the peer may send.
        clock: Monotonic seconds, for the rate of events.
    """

    def __init__(
        self,
        side: Side = Side.CLIENT,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        client = side is Side.CLIENT
        self._decode = self._from_server if client else self._from_client
        self._split = self._lines if client else self._objects
        self._clock = clock
        self._buffer = bytearray()
        self._scanned = 0
        self._next_id = 0
        self._awaited: dict[int, str] = {}
        self._credit = float(limits.event_burst)
        self._credit_time = clock()

    # What we say

    def command(self, name: str, arguments: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        """A command's id and line; the id is awaited from now on.

        Raises:
            TypeError, ValueError: The arguments are not JSON.
        """
        message: dict[str, Any] = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        message["id"] = number = self._next_id
        line = _encode(message)
        self._next_id += 1
        self._awaited[number] = name
        return number, line

    def greeting(self, version: Mapping[str, Any], capabilities: tuple[str, ...] = ()) -> bytes:
        """A greeting's line."""
        return _encode({"QMP": {"version": version, "capabilities": capabilities}})

    def event(self, event: Event) -> bytes:
        """An event's line."""
        stamp = {"seconds": event.seconds, "microseconds": event.microseconds}
        return _encode({"timestamp": stamp, "event": event.name, "data": event.data})

    def reply(self, id: Any, value: Any) -> bytes:
        """The line of a success."""
        return _encode({"return": value, "id": id})

    def failure(self, id: Any, failure: Failure) -> bytes:
        """The line of a failure."""
        error = {"class": failure.kind, "desc": failure.description}
        return _encode({"id": id, "error": error})

    # What we hear

    @property
    def awaited(self) -> int:
        """How many commands have no reply yet."""
        return len(self._awaited)

    def receive(self, data: bytes) -> Iterator[Message]:
        """The messages that *data* completes, in order.

        Raises:
            ProtocolViolation: The peer broke a rule; messages before that have been given out.
        """
        self._buffer += data
        for line in self._split():
            yield self._message(line)

    def _lines(self) -> Iterator[bytes]:
        """What QEMU writes: an object to a line."""
        while (end := self._buffer.find(b"\n", self._scanned)) >= 0:
            self._check_length(end)
            line = bytes(memoryview(self._buffer)[:end])
            del self._buffer[: end + 1]
            self._scanned = 0
            if line and not line.isspace():
                yield line
        self._scanned = len(self._buffer)
        self._check_length(self._scanned)

    def _objects(self) -> Iterator[bytes]:
        """What clients write: objects, with anything blank between them or nothing at all."""
        for line in self._lines():
            yield from self._objects_of(line)
        if self._buffer.rstrip().endswith(b"}"):
            whole = bytes(self._buffer)
            try:
                objects = list(self._objects_of(whole))
            except ProtocolViolation:
                return  # not complete yet; a newline or the limit will tell
            del self._buffer[:]
            self._scanned = 0
            yield from objects

    def _objects_of(self, line: bytes) -> Iterator[bytes]:
        _check_depth(line, self.limits.depth)
        try:
            text = line.decode().strip()
            while text:
                _, end = _decoder.raw_decode(text)
                yield text[:end].encode()
                text = text[end:].lstrip()
        except (ValueError, RecursionError) as exc:
            raise ProtocolViolation(f"malformed JSON ({exc}): {excerpt(line)}") from exc

    def _check_length(self, length: int) -> None:
        limit = self.limits.reply if self._awaited else self.limits.event
        if length > limit:
            raise ProtocolViolation(f"a line of more than {limit} bytes{self._meanwhile()}")

    def _meanwhile(self) -> str:
        name = next(iter(self._awaited.values()), None)
        return f" while '{name}' was in progress" if name else ""

    def _message(self, line: bytes) -> Message:
        value = _parse(line, self.limits.depth)
        if not isinstance(value, dict):
            _refuse("a message that is no object", line)
        return self._decode(value, line)

    def _from_server(self, value: dict[str, Any], line: bytes) -> Message:
        if "return" in value or "error" in value:
            return self._reply(value, line)
        if len(line) > self.limits.event:
            raise ProtocolViolation(f"an event of more than {self.limits.event} bytes")
        if "event" in value:
            self._spend_credit()
            return _event(value, line)
        if "QMP" in value:
            return _greeting(value, line)
        return _refuse("a message of unknown kind", line)

    def _from_client(self, value: dict[str, Any], line: bytes) -> Message:
        name = value.get("execute", value.get("exec-oob"))
        arguments = value.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            _refuse("a message that is no command", line)
        return Command(name, arguments, value.get("id"))

    def _reply(self, value: dict[str, Any], line: bytes) -> Reply:
        number = value.get("id")
        if type(number) is not int or number not in self._awaited:
            _refuse("a reply to no command of ours", line)
        failure = _failure(value["error"], line) if "error" in value else None
        del self._awaited[number]
        return Reply(number, value.get("return"), failure)

    def _spend_credit(self) -> None:
        now = self._clock()
        earned = (now - self._credit_time) * self.limits.event_rate
        self._credit = min(self._credit + earned, float(self.limits.event_burst)) - 1
        self._credit_time = now
        if self._credit < 0:
            raise ProtocolViolation(
                f"a flood of events: more than {self.limits.event_burst} at once, "
                f"or {self.limits.event_rate:g} per second for long"
            )


def _event(value: dict[str, Any], line: bytes) -> Event:
    name, data, stamp = value["event"], value.get("data", {}), value.get("timestamp", {})
    if not (isinstance(name, str) and isinstance(data, dict) and isinstance(stamp, dict)):
        _refuse("a malformed event", line)
    seconds, microseconds = stamp.get("seconds", -1), stamp.get("microseconds", -1)
    if type(seconds) is not int or type(microseconds) is not int:
        _refuse("a malformed event", line)
    return Event(name, data, seconds, microseconds)


def _greeting(value: dict[str, Any], line: bytes) -> Greeting:
    greeting = value["QMP"]
    if isinstance(greeting, dict):
        version, offers = greeting.get("version"), greeting.get("capabilities")
        if isinstance(version, dict) and isinstance(offers, list):
            return Greeting(version, tuple(str(offer) for offer in offers))
    return _refuse("a malformed greeting", line)


def _failure(error: Any, line: bytes) -> Failure:
    if isinstance(error, dict):
        kind, description = error.get("class"), error.get("desc")
        if isinstance(kind, str) and isinstance(description, str):
            return Failure(kind, description)
    return _refuse("a malformed error", line)


def _refuse(what: str, line: bytes) -> NoReturn:
    """Raises the violation, with the beginning of what was found."""
    raise ProtocolViolation(f"{what}: {excerpt(line)}")


def excerpt(line: bytes, length: int = 120) -> str:
    """The beginning of *line*, fit for an error message."""
    return ascii(line[:length].decode("latin-1")) + ("..." if len(line) > length else "")


def _encode(message: Mapping[str, Any]) -> bytes:
    # QEMU 7.2 reads its monitor byte by byte, one system call each: blanks are not free.
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"'{word}' is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
_surrogate = re.compile(rb"\\u[dD][89abAB]")


def _parse(line: bytes, depth: int) -> Any:
    _check_depth(line, depth)
    try:
        value = _decoder.decode(line.decode())
        if _surrogate.search(line):
            # Half a surrogate pair would pass here and fail wherever the text is encoded.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        raise ProtocolViolation(f"malformed JSON ({exc}): {excerpt(line)}") from exc
    return value


_BRACES = bytes.maketrans(b"[]", b"{}")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_STRING = re.compile(rb'"[^"]*"')


def _check_depth(line: bytes, depth: int) -> None:
    """Refuse deeper nesting before the parser recurses into it.

    All in C: few lines have as many brackets as levels are allowed, and of the others only
    brackets are kept, of which each round removes the innermost level.
    """
    if line.count(b"{") + line.count(b"[") <= depth:
        return
    rest = line.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NOT_STRUCTURE)
    rest = _STRING.sub(b"", rest).translate(_BRACES)
    for _ in range(depth):
        if not rest:
            return
        rest = rest.replace(b"{}", b"")
    if rest:
        raise ProtocolViolation(f"more than {depth} levels of nesting: {excerpt(line)}")
