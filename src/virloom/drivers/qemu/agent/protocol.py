# SPDX-License-Identifier: Apache-2.0
"""The agent's protocol without I/O (QEMU's ``docs/interop/qemu-ga-ref``).

A command and its answer are JSON objects, one to a line. Nothing in an answer says which command
it belongs to, and the port may hold answers that nobody waited for any more. So each command is
preceded by ``guest-sync-delimited``: whatever comes before the byte 0xFF, which no JSON text has,
and the number that was asked for is thrown away.

The guest decides every byte that arrives here: what is kept, and what is thrown away, is bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Bytes of an answer.
ANSWER_LIMIT = 10 << 20

#: Bytes that are thrown away for one command before the agent is given up.
JUNK_LIMIT = 16 << 20

#: Lines that are no answer and are thrown away likewise; each takes time to look at.
LINES_LIMIT = 4096

#: Begins an answer to ``guest-sync-delimited``, and makes an agent forget half a command.
_SENTINEL = b"\xff"

_NUMBERS = 1 << 31


class AgentViolation(Exception):
    """What came from the guest is no answer of an agent."""


def command_line(command: str, arguments: Mapping[str, Any] | None = None) -> bytes:
    """A command as it is sent."""
    message: dict[str, Any] = {"execute": command}
    if arguments:
        message["arguments"] = arguments
    return json.dumps(message).encode() + b"\n"


class Conversation:
    """Bytes that come from an agent, put together to answers.

    It is synchronized before each command: ``sync()`` gives the bytes to send, and
    ``synchronized()`` is fed until it says so.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._thrown = 0
        self._lines = 0
        self._number = 0

    def sync(self) -> bytes:
        """What makes the agent say where its next answers begin."""
        self._number = self._number % _NUMBERS + 1
        self._thrown = self._lines = 0
        return _SENTINEL + command_line("guest-sync-delimited", {"id": self._number})

    def synchronized(self, data: bytes) -> bool:
        """Takes *data*; says whether the answer to the last :meth:`sync` was in it.

        Raises:
            AgentViolation: The guest sends and sends, and never that answer.
        """
        self._buffer += data
        while True:
            start = self._buffer.find(_SENTINEL)
            if start < 0:
                self._throw(len(self._buffer))
                return False
            self._throw(start)
            end = self._buffer.find(b"\n", self._scanned)
            if end < 0:
                self._wait_for_more()
                return False
            line = bytes(self._buffer[1:end])
            self._throw(1)
            if _number(line.rpartition(_SENTINEL)[2]) == self._number:
                self._drop(end)
                return True
            self._lines += 1
            if self._lines > LINES_LIMIT:
                raise AgentViolation("more than anybody asked for")

    def answer(self, data: bytes = b"") -> Mapping[str, Any] | None:
        """Takes *data*; the next answer if it is whole.

        Raises:
            AgentViolation: It is too long, or no answer.
        """
        self._buffer += data
        while (end := self._buffer.find(b"\n", self._scanned)) >= 0:
            if end > ANSWER_LIMIT:
                raise AgentViolation(f"an answer of more than {ANSWER_LIMIT} bytes")
            line = bytes(self._buffer[:end])
            self._drop(end + 1)
            if line.strip():
                return _parsed(line)
            self._lines += 1
            if self._lines > LINES_LIMIT:
                raise AgentViolation("nothing but empty lines")
        self._wait_for_more()
        return None

    def _wait_for_more(self) -> None:
        self._scanned = len(self._buffer)
        if self._scanned > ANSWER_LIMIT:
            raise AgentViolation(f"an answer of more than {ANSWER_LIMIT} bytes")

    def _throw(self, count: int) -> None:
        self._thrown += count
        self._drop(count)
        if self._thrown > JUNK_LIMIT:
            raise AgentViolation("more than anybody asked for")

    def _drop(self, count: int) -> None:
        if count:
            del self._buffer[:count]
            self._scanned = 0


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise AgentViolation("a line that is not JSON") from exc
    if not isinstance(message, dict) or not {"return", "error"} & message.keys():
        raise AgentViolation("a line that is no answer")
    return message


def _number(line: bytes) -> object:
    """The number in an answer to ``guest-sync-delimited``; None in anything else."""
    try:
        return _parsed(line).get("return")
    except AgentViolation:
        return None
