# SPDX-License-Identifier: Apache-2.0
"""Asking a QEMU binary what it can do.

QEMU is started once, without a guest. All questions, the one to quit last, are in a file that is
its standard input, and the answers are on its standard output: nothing waits for anything, and a
QEMU whose prober is killed still quits by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from virloom.drivers.qemu.capabilities.binary import Parts
from virloom.drivers.qemu.monitor.protocol import (
    Codec,
    Greeting,
    Limits,
    ProtocolViolation,
    Reply,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationTimeout, VirloomError
from virloom.host.process import Process, SpawnRequest, spawn

#: Seconds that a probe may take; it takes less than a tenth of one on an idle host.
TIMEOUT = 30.0

_LIMITS = Limits(reply=16 << 20)
_STDERR_KEPT = 2_048

# accel: TCG needs no device of the host; a QEMU built without it takes KVM.
_ARGUMENTS = (
    *("-S", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "none,accel=tcg:kvm"),
    *("-chardev", "stdio,id=probe,signal=off", "-mon", "chardev=probe,mode=control"),
)

_QUESTIONS: Mapping[Parts, Sequence[tuple[str, Mapping[str, Any]]]] = {
    Parts.BASE: (("query-target", {}), ("query-machines", {})),
    Parts.DEVICES: (("qom-list-types", {"implements": "device", "abstract": False}),),
    Parts.CPU_MODELS: (("query-cpu-definitions", {}),),
}


class Credentials(NamedTuple):
    """Whom a probe runs as; None is whoever we are."""

    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = None


class Answers(NamedTuple):
    """What QEMU said: its greeting's version, and values by command (None: it has no such)."""

    version: Mapping[str, Any]
    values: Mapping[str, Any]


async def ask(
    binary: str,
    parts: Parts,
    credentials: Credentials = Credentials(),  # noqa: B008 - immutable
    *,
    timeout: float = TIMEOUT,
    on_spawn: Callable[[Process], object] = lambda process: None,
) -> Answers:
    """Starts *binary* and asks it for *parts*.

    Returns with the last answer. QEMU is killed then, as when this fails or is cancelled, and
    reaped on the running loop.

    Args:
        on_spawn: Told of the process, for who wants to wait until it is reaped.

    Raises:
        SystemFailure: It cannot be started.
        InternalError: It is no QEMU, or ended without answering; with its last words.
        OperationTimeout: It took longer than *timeout* seconds.
    """
    conversation = _Conversation(binary, parts)
    try:
        process = conversation.start(credentials)
        on_spawn(process)
        try:
            async with asyncio.timeout(timeout):
                return await conversation.answers
        except TimeoutError as exc:
            raise OperationTimeout(
                f"'{binary}' did not say within {timeout:g} seconds what it can do",
                domain=ErrorDomain.QEMU,
            ) from exc
        finally:
            # Also after the last answer: nothing is left to lose, and it need not be a QEMU.
            process.send_signal(signal.SIGKILL)
            process.on_exit(lambda _: process.close())
    finally:
        conversation.close()


class _Conversation:
    """The questions to one QEMU, and its answers as they come."""

    def __init__(self, binary: str, parts: Parts) -> None:
        self._binary = binary
        self._codec = Codec(limits=_LIMITS)
        self._names: dict[int, str] = {}
        self._values: dict[str, Any] = {}
        self._version: Mapping[str, Any] = {}
        self._questions = self._compose(parts)
        self._reader = -1
        self._errors = os.memfd_create("virloom-probe-errors", os.MFD_CLOEXEC)
        self.answers: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()

    def _compose(self, parts: Parts) -> bytes:
        questions = [question for part in parts for question in _QUESTIONS[part]]
        lines = []
        for name, arguments in [("qmp_capabilities", {}), *questions]:
            number, line = self._codec.command(name, arguments)
            self._names[number] = name
            lines.append(line)
        # Outside the codec: nobody waits for this answer, and it may get lost.
        return b"".join([*lines, b'{"execute":"quit"}'])

    def start(self, credentials: Credentials) -> Process:
        with contextlib.ExitStack() as ours:
            questions = os.memfd_create("virloom-probe", os.MFD_CLOEXEC)
            ours.callback(os.close, questions)
            os.write(questions, self._questions)
            os.lseek(questions, 0, os.SEEK_SET)
            self._reader, writer = os.pipe2(os.O_CLOEXEC)
            ours.callback(os.close, writer)
            os.set_blocking(self._reader, False)
            process = spawn(
                SpawnRequest(
                    [self._binary, *_ARGUMENTS],
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                    cwd="/",
                    stdin=questions,
                    stdout=writer,
                    stderr=self._errors,
                    user=credentials.user,
                    group=credentials.group,
                    groups=credentials.groups,
                )
            )
        asyncio.get_running_loop().add_reader(self._reader, self._readable)
        return process

    def close(self) -> None:
        if self._reader >= 0:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
        os.close(self._errors)

    def _readable(self) -> None:
        try:
            data = os.read(self._reader, 256 << 10)
        except BlockingIOError:
            return
        if not data:
            self._fail("it ended without an answer")
            return
        try:
            for message in self._codec.receive(data):
                self._heard(message)
        except ProtocolViolation as exc:
            self._fail(f"it sent {exc}")

    def _heard(self, message: object) -> None:
        if isinstance(message, Greeting):
            self._version = message.version
        elif isinstance(message, Reply) and not self.answers.done():
            if message.failure is None or message.failure.kind == "CommandNotFound":
                self._values[self._names[message.id]] = message.value
            else:
                self._fail(f"'{self._names[message.id]}': {message.failure.description}")
            if self._codec.awaited == 0:
                self._settle()

    def _settle(self) -> None:
        if not self.answers.done():
            self.answers.set_result(Answers(self._version, self._values))
        asyncio.get_running_loop().remove_reader(self._reader)

    def _fail(self, why: str) -> None:
        asyncio.get_running_loop().remove_reader(self._reader)
        if not self.answers.done():
            self.answers.set_exception(self._error(why))

    def _error(self, why: str) -> VirloomError:
        words = os.pread(self._errors, _STDERR_KEPT, 0).decode(errors="replace").strip()
        said = f"; it said: {words}" if words else ""
        return InternalError(
            f"cannot find out what emulator '{self._binary}' can do: {why}{said}",
            domain=ErrorDomain.QEMU,
        )
