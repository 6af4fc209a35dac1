# SPDX-License-Identifier: Apache-2.0
"""Commands that the caller words: the human monitor, and QMP as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from virloom.drivers.qemu.monitor.client import Monitor, QmpError
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg

#: Characters of a command.
_TEXT_LIMIT = 1 << 20


async def human(monitor: Monitor, command_line: str, cpu: int | None = None) -> str:
    """What the human monitor answers to a line; its errors are text too."""
    arguments: dict[str, Any] = {"command-line": command_line}
    if cpu is not None:
        arguments["cpu-index"] = cpu
    answer = await monitor.execute("human-monitor-command", arguments)
    with reading("human-monitor-command"):
        if not isinstance(answer, str):
            raise TypeError(type(answer).__name__)
        return answer


async def qmp(monitor: Monitor, text: str, fds: Sequence[int] = ()) -> str:
    """QEMU's answer to a QMP command, both as JSON; a refusal is an answer as well.

    The answer has the command's id, if that has one. *fds* go with the command.

    Raises:
        InternalError: *text* is no JSON.
        InvalidArg: It is no command.
    """
    name, arguments, given_id = _parse(text)
    future = monitor.submit(name, arguments, fds=fds)
    try:
        answer: dict[str, Any] = {"return": await future}
    except QmpError as exc:
        answer = {"error": {"class": exc.kind, "desc": exc.description}}
    if given_id is not None:
        answer["id"] = given_id
    return json.dumps(answer, separators=(",", ":"))


def _parse(text: str) -> tuple[str, dict[str, Any], Any]:
    if len(text) > _TEXT_LIMIT:
        raise _refusal(f"it has more than {_TEXT_LIMIT} characters")
    try:
        command = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InternalError(f"cannot parse json {text[:1000]}: {exc}") from exc
    if not isinstance(command, dict):
        raise _refusal("it is no JSON object")
    name, arguments = command.get("execute"), command.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise _refusal('it has no "execute" with a name, or "arguments" that are no object')
    if unknown := command.keys() - {"execute", "arguments", "id"}:
        raise _refusal(f"it has the unexpected member '{min(unknown)}'")
    return name, arguments, command.get("id")


def _refusal(why: str) -> InvalidArg:
    return InvalidArg(f"cannot send this as a QMP command: {why}", domain=ErrorDomain.QEMU)
