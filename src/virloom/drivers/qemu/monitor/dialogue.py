# SPDX-License-Identifier: Apache-2.0
"""The log of monitor conversations: logger ``virloom.qmp`` at DEBUG, in order, secrets masked."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from virloom.drivers.qemu.monitor.protocol import Event, Greeting, Message, Reply

_log = logging.getLogger("virloom.qmp")

#: Characters of a line that are logged.
_LINE = 2_000

_MASK = "***"

#: Arguments that are secret, by command; ``data`` of an ``object-add`` is a secret object's value,
#: and keys sent to a guest may be a password being typed.
_SECRET_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "object-add": frozenset({"data"}),
    "set_password": frozenset({"password"}),
    "change-vnc-password": frozenset({"password"}),
    "send-key": frozenset({"keys"}),
    "input-send-event": frozenset({"events"}),
    "ringbuf-write": frozenset({"data"}),
}

#: Words of the human monitor whose commands may carry secrets.
_SECRET_WORDS = frozenset({"set_password", "change", "object_add", "sendkey"})


class Dialogue:
    """Logs one conversation.

    Args:
        guest: The name each line begins with.
    """

    def __init__(self, guest: str) -> None:
        self._guest = guest
        self._hidden: set[int] = set()

    def command(
        self, number: int, name: str, arguments: Mapping[str, Any] | None, fds: Sequence[int]
    ) -> None:
        """A command that is being sent."""
        if not _log.isEnabledFor(logging.DEBUG):
            return
        if name == "qom-get" and (arguments or {}).get("property") == "data":
            self._hidden.add(number)
        beside = f" with descriptors {list(fds)}" if fds else ""
        self._write(f"-> {number} {name} {_text(masked(name, arguments or {}))}{beside}")

    def heard(self, message: Message) -> None:
        """A message that has come."""
        if not _log.isEnabledFor(logging.DEBUG):
            return
        if isinstance(message, Reply):
            self._reply(message)
        elif isinstance(message, Event):
            self._write(f"<- event {message.name} {_text(message.data)}")
        elif isinstance(message, Greeting):
            self._write(f"<- greeting {_text(message.version)}")

    def ended(self, error: Exception | None) -> None:
        """The conversation is over."""
        if _log.isEnabledFor(logging.DEBUG):
            self._write(f"-- closed: {error}" if error else "-- closed")

    def _reply(self, reply: Reply) -> None:
        if reply.failure is not None:
            self._write(f"<- {reply.id} {reply.failure.kind}: {reply.failure.description}")
            return
        hidden = reply.id in self._hidden
        self._hidden.discard(reply.id)
        self._write(f"<- {reply.id} {_MASK if hidden else _text(reply.value)}")

    def _write(self, line: str) -> None:
        rest = len(line) - _LINE
        shown = line if rest <= 0 else f"{line[:_LINE]}... and {rest} more"
        _log.debug("%s: %s", self._guest or "QEMU", shown)


def masked(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of command *name* with everything secret replaced."""
    if name == "human-monitor-command":
        word = str(arguments.get("command-line", "")).split(" ", 1)[0]
        if word in _SECRET_WORDS:
            return {**arguments, "command-line": f"{word} {_MASK}"}
    if name == "transaction":
        return {"actions": [action.get("type") for action in arguments.get("actions", ())]}
    secret = _SECRET_ARGUMENTS.get(name, frozenset())
    return {key: _MASK if key in secret else value for key, value in arguments.items()}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
