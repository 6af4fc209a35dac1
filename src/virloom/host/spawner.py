# SPDX-License-Identifier: Apache-2.0
"""The daemon's side of the spawn helper (:mod:`virloom.host.spawn`).

The helper is started when it is first wanted, and ends when nobody has wanted it for a while; one
that dies is replaced, and what it had not begun is done by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from virloom.errors import InternalError, system_failure
from virloom.host.device_nodes import Node
from virloom.host.fdpass import MAX_FDS, send_fds
from virloom.host.identity import ProcessIdentity
from virloom.host.pidfd import PidFd
from virloom.host.process import STDOUT, Confinement, Process, SpawnRequest, plain

_SCRIPT = os.path.join(os.path.dirname(__file__), "spawn.py")

_SEND_LIMIT = 5.0
"""Seconds for an order to fit in the socket, which holds hundreds."""

_IDLE = 60.0
"""Seconds without an order after which a helper ends; 10 MB are not kept for nothing."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Spawner:
    """The spawn helper of one owner; not for several threads."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._working = 0

    @property
    def pid(self) -> int | None:
        """The helper's process id; None while there is none."""
        return self._process.pid if self._process is not None else None

    def warm(self) -> None:
        """Start the helper, if it is not there, without waiting for it (0.3 ms).

        Raises:
            SystemFailure: It cannot be started.
        """
        if self._socket is not None and self._process is not None and not self._process.poll():
            return
        self._forget()
        with contextlib.ExitStack() as opened:
            try:
                self_fd = os.pidfd_open(os.getpid())
                opened.callback(os.close, self_fd)
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            except OSError as error:
                raise system_failure("Unable to start the spawn helper", error) from error
            opened.callback(theirs.close)
            words = [theirs.fileno(), self_fd, os.getpid()]
            argv = [sys.executable or "python3", "-I", "-S", _SCRIPT, *map(str, words)]
            try:
                self._process = plain(SpawnRequest(argv, pass_fds=words[:2]))
            except BaseException:
                ours.close()
                raise
        ours.settimeout(_SEND_LIMIT)
        self._socket = ours

    def spawn(self, request: SpawnRequest) -> Process:
        """Start a process, and wait for it here.

        Raises:
            SystemFailure: It cannot be started; the message names the program and the step.
        """
        with _fds_of(request) as (order, fds):
            return _started(self._answered(lambda: _read_all(self._send(order, fds))), request)

    async def start(self, request: SpawnRequest) -> Process:
        """Start a process; when cancelled, it is killed and reaped.

        Raises:
            SystemFailure: It cannot be started; the message names the program and the step.
        """
        with _fds_of(request) as (order, fds):
            answer = await self._ask(order, fds)
        return _started(answer, request)

    async def change_nodes(
        self, namespace: int, made: Sequence[Node], removed: Sequence[str]
    ) -> None:
        """Make and remove device nodes in the mount namespace of a running process.

        Args:
            namespace: A descriptor of its ``/proc/PID/ns/mnt``.
            removed: Paths; one that is missing is no error.

        Raises:
            SystemFailure: The kernel refuses.
        """
        order = {"made": [tuple(node) for node in made], "removed": list(removed)}
        pid, failure = await self._ask(order, [namespace])
        if pid is not None:
            _reap(pid)
        if failure is not None:
            raise _failure("Unable to change device nodes", failure)

    async def _ask(self, order: Mapping[str, Any], fds: Sequence[int]) -> _Answer:
        """The answer to an order; a helper that died before it began is replaced once."""
        self._working += 1
        try:
            for _ in range(2):
                answer = await _reported(self._send(order, fds))
                if answer != (None, None):
                    return answer
                self._forget()
        finally:
            self._working -= 1
            self._rest()
        raise InternalError("the spawn helper ends before it does anything")

    def _answered(self, ask: Any) -> _Answer:
        for _ in range(2):
            answer = _parsed(ask())
            if answer != (None, None):
                return answer
            self._forget()
        raise InternalError("the spawn helper ends before it does anything")

    def _send(self, order: Mapping[str, Any], fds: Sequence[int]) -> int:
        """Sends an order; returns the end of its report, which is the caller's to close."""
        report, report_write = os.pipe2(os.O_CLOEXEC)
        try:
            memory = os.memfd_create("virloom-spawn", os.MFD_CLOEXEC)
            try:
                with open(memory, "wb", closefd=False) as file:
                    file.write(marshal.dumps(dict(order)))
                self._deliver([memory, report_write, *fds])
            finally:
                os.close(memory)
        except OSError as error:
            os.close(report)
            raise system_failure("Unable to reach the spawn helper", error) from error
        except BaseException:
            os.close(report)
            raise
        finally:
            os.close(report_write)
        return report

    def _deliver(self, fds: Sequence[int]) -> None:
        for attempt in range(2):
            self.warm()
            assert self._socket is not None
            try:
                for first in range(0, len(fds), MAX_FDS):
                    some = fds[first : first + MAX_FDS]
                    last = first + MAX_FDS >= len(fds)
                    send_fds(self._socket, b"last" if last else b"more", some)
                return
            except (BrokenPipeError, ConnectionResetError):
                self._forget()
                if attempt:
                    raise

    # -- its end -------------------------------------------------------------------------------

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(_IDLE, self._retire) if self._socket is not None else None

    def _retire(self) -> None:
        if not self._working:
            self._forget()

    def _forget(self) -> None:
        """Let the helper end; what it has been told it still does."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            process, self._process = self._process, None
            _reaped_later(process)

    async def close(self) -> None:
        """End the helper, and return when it has ended."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        self._forget()
        if process is not None:
            await process.wait()
            process.close()

    async def __aenter__(self) -> Spawner:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __enter__(self) -> Spawner:
        return self

    def __exit__(self, *exception: object) -> None:
        process, self._process = self._process, None
        self._forget()
        if process is not None:
            _wait(process)


_Failure = tuple[str, str, int, str]
_Answer = tuple[int | None, _Failure | None]
"""The pid, and what went wrong; neither: the order was not begun."""


def _reaped_later(process: Process) -> None:
    try:
        process.on_exit(lambda _: process.close())
    except RuntimeError:  # no loop runs here
        _wait(process)


def _wait(process: Process) -> None:
    with contextlib.suppress(ChildProcessError):  # somebody else has reaped it
        os.waitid(os.P_PIDFD, process.pidfd.fileno(), os.WEXITED | os.WNOWAIT)
    process.close()


@contextlib.contextmanager
def _fds_of(request: SpawnRequest) -> Any:
    """The order of a request and the descriptors that go with it."""
    with contextlib.ExitStack() as opened:
        null: list[int] = []

        def standard(fd: int) -> int:
            if fd >= 0:
                return fd
            if not null:
                null.append(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
                opened.callback(os.close, null[0])
            return null[0]

        try:
            stdin, stdout = standard(request.stdin), standard(request.stdout)
            stderr = stdout if request.stderr == STDOUT else standard(request.stderr)
        except OSError as error:
            raise system_failure(f"Unable to start '{request.argv[0]}'", error) from error
        fds = dict(zip(request.pass_fds, request.pass_fds, strict=True))
        fds |= {_STDIN: stdin, _STDOUT: stdout, _STDERR: stderr}
        yield _order(request, list(fds)), list(fds.values())


def _order(request: SpawnRequest, numbers: Sequence[int]) -> dict[str, Any]:
    confinement = request.confinement or Confinement()
    steps = {"cgroups": list(request.cgroups) or None, **confinement._asdict()}
    for name in ("affinity", "capabilities", "exec_labels"):
        if steps[name] is not None:
            steps[name] = [_plain_value(item) for item in steps[name]]
    if confinement.limits is not None:
        steps["limits"] = {name: tuple(pair) for name, pair in confinement.limits.items()}
    if confinement.memory_policy is not None:
        steps["memory_policy"] = (confinement.memory_policy[0], [*confinement.memory_policy[1]])
    if confinement.private_dev is not None:
        nodes, context = confinement.private_dev
        steps["private_dev"] = ([tuple(node) for node in nodes], context)
    return {
        "argv": list(request.argv),
        "env": dict(os.environ if request.env is None else request.env),
        "cwd": request.cwd,
        "user": request.user,
        "group": request.group,
        "groups": None if request.groups is None else list(request.groups),
        "umask": request.umask,
        "new_session": request.new_session,
        "numbers": list(numbers),
        "steps": steps,
    }


def _plain_value(item: Any) -> Any:
    return tuple(item) if isinstance(item, tuple) else item


def _parsed(report: bytes) -> _Answer:
    if not report:
        return None, None
    text, newline, rest = report.partition(b"\n")
    if not newline or not text.isdigit():  # there was no child at all
        return None, marshal.loads(report)
    return int(text), marshal.loads(rest) if rest else None


def _started(answer: _Answer, request: SpawnRequest) -> Process:
    """The process that an answer tells of.

    Raises:
        SystemFailure: There is none.
    """
    pid, failure = answer
    if failure is None:
        assert pid is not None
        # It is our child, and unreaped, so its pid is its own until we reap it.
        return Process(PidFd(os.pidfd_open(pid), ProcessIdentity.of(pid)))
    if pid is not None:
        _reap(pid)
    raise _failure(f"Unable to start '{request.argv[0]}'", failure)


def _failure(doing: str, failure: _Failure) -> Exception:
    step, detail, number, text = failure
    if step == "directory":
        doing += f" in '{detail}'"
    elif step != "exec":
        doing += f": {step} {detail}".rstrip()
    return system_failure(doing, OSError(number, text))


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # it is about to end


def _read_all(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read()


async def _reported(report: int) -> _Answer:
    """The whole report; when cancelled, what has been started is killed and reaped."""
    data = bytearray()
    try:
        while piece := await _piece(report):
            data += piece
    except asyncio.CancelledError:
        pid, _ = _parsed(bytes(data) + os.read(report, 1 << 16))
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            _reap(pid)
        raise
    finally:
        os.close(report)
    return _parsed(bytes(data))


async def _piece(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)
    return os.read(fd, 1 << 16)
