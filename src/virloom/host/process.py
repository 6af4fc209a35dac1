# SPDX-License-Identifier: Apache-2.0
"""The one way processes are started here, and how their end is noticed.

A plain start goes through the C part of :mod:`subprocess` (vfork and exec, 0.2 ms). A change of
user would make that a fork, which copies our page tables (2 to 4 ms in which the loop stands
still): setpriv(1) of util-linux does it instead, between two execs.
What else must happen between fork and exec (:class:`Confinement`) is done by a single-threaded
helper (:mod:`virloom.host.spawner`), whose forks are our children.

The end of a process is an event of its pidfd on the running loop, and a child is reaped exactly
once, there: no child watcher, no SIGCHLD handler, no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from virloom.errors import InternalError, OperationTimeout, system_failure
from virloom.host.collect import Collector
from virloom.host.identity import ProcessIdentity
from virloom.host.pidfd import PidFd

if TYPE_CHECKING:
    from virloom.host.device_nodes import PrivateDev
    from virloom.host.spawner import Spawner

DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT

#: Where util-linux has it; BusyBox's, which is elsewhere, knows no users.
_SETPRIV = "/usr/bin/setpriv"


class Confinement(NamedTuple):
    """What the spawn helper does between fork and exec, in this order; None leaves a thing alone.

    Attributes:
        oom_score_adj: -1000 to 1000 (proc(5)).
        limits: Resource name without ``RLIMIT_`` (``"NOFILE"``) to soft and hard limit; -1 is none.
        affinity: The CPUs that the process may use.
        nice: The nice value.
        memory_policy: A mode of linux/mempolicy.h, and the host's nodes (set_mempolicy(2)).
        private_dev: A mount namespace, with the device nodes of its ``/dev``.
        exec_labels: Files below ``/proc/self/attr`` and what is written there, for the kernel's
            security modules to label the program.
        capabilities: The capabilities kept, by number; all others leave every set.
        no_new_privileges: No setuid program or file capability helps from here on.
    """

    oom_score_adj: int | None = None
    limits: Mapping[str, tuple[int, int]] | None = None
    affinity: Sequence[int] | None = None
    nice: int | None = None
    memory_policy: tuple[int, Sequence[int]] | None = None
    private_dev: PrivateDev | None = None
    exec_labels: Sequence[tuple[str, str]] | None = None
    capabilities: Sequence[int] | None = None
    no_new_privileges: bool = False


class SpawnRequest(NamedTuple):
    """A process to start.

    Attributes:
        argv: Program and arguments; a program without a slash is looked for in the PATH of *env*.
        env: The whole environment; None inherits ours.
        stdin: A descriptor, or :data:`DEVNULL`; likewise *stdout* and *stderr*, which may also be
            :data:`STDOUT`. The caller keeps and closes its descriptors.
        pass_fds: Descriptors that the process gets under the same numbers; all others are closed.
        user, group, groups: Ids to change to (needs root); None leaves them. A program that those
            may not execute ends with setpriv's words on *stderr* and code 126.
        umask: The umask, -1 leaves it.
        new_session: Start a session (setsid), so that signals of a terminal do not reach it.
        cgroups: Files that take the process into control groups, before all else, by the spawn
            helper.
        confinement: More to do before the exec, by the spawn helper.
    """

    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    stdin: int = DEVNULL
    stdout: int = DEVNULL
    stderr: int = DEVNULL
    pass_fds: Sequence[int] = ()
    user: int | None = None
    group: int | None = None
    groups: Sequence[int] | None = None
    umask: int = 0o077
    new_session: bool = True
    cgroups: Sequence[str] = ()
    confinement: Confinement | None = None


class Completed(NamedTuple):
    """How a helper program ended: its exit code (None: not learnt) and what it said."""

    argv: Sequence[str]
    returncode: int | None
    stdout: bytes
    stderr: bytes


class Process:
    """A child of ours.

    Its exit code is known once :attr:`ended` is true. Somebody must watch it (:meth:`on_exit` or
    :meth:`wait`) or call :meth:`poll` for it to be reaped.
    """

    def __init__(self, pidfd: PidFd) -> None:
        self.pidfd = pidfd
        self.ended = False
        self.exit_code: int | None = None

    @property
    def pid(self) -> int:
        """The process id; another's, perhaps, once :attr:`ended`."""
        return self.pidfd.identity.pid

    @property
    def identity(self) -> ProcessIdentity:
        """What status files keep."""
        return self.pidfd.identity

    def poll(self) -> bool:
        """Reap the process if it has ended; True once it has. Never waits."""
        if self.ended:
            return True
        try:
            code = self.pidfd.reap()
        except ChildProcessError:
            # The application waits for all children, or ignores SIGCHLD: ended, nobody knows how.
            self.ended = self.pidfd.has_exited()
            return self.ended
        if code is not None:
            self.exit_code = code
            self.ended = True
        return self.ended

    def on_exit(self, callback: Callable[[int | None], object]) -> Callable[[], None]:
        """Call *callback* once with the exit code, on the running loop; returns how to cancel it.

        The code of a signal is its negative number; None when it could not be learnt.
        """

        def ended() -> None:
            self.poll()
            callback(self.exit_code)

        return self.pidfd.on_exit(ended)

    async def wait(self) -> int | None:
        """The exit code, when the process has ended and is reaped. Cancelling leaves it alone."""
        if not self.poll():
            await self.pidfd.wait()
            self.poll()
        return self.exit_code

    def send_signal(self, number: int) -> bool:
        """Send a signal; False when the process has ended already."""
        return not self.ended and self.pidfd.send_signal(number)

    def close(self) -> None:
        """Close the pidfd. A process that still runs goes on, and is not reaped by us."""
        self.poll()
        self.pidfd.close()


def spawn(request: SpawnRequest) -> Process:
    """Start a process; returns when the program runs in it.

    With a confinement this waits for a helper of its own (~20 ms): guests are started by
    :func:`start` with a helper that is there already.

    Raises:
        SystemFailure: It cannot be started; the message names the program and the step.
    """
    if not _needs_helper(request):
        return plain(request)
    from virloom.host.spawner import Spawner  # which needs this module

    with Spawner() as spawner:
        return spawner.spawn(request)


async def start(request: SpawnRequest, spawner: Spawner | None = None) -> Process:
    """As :func:`spawn`, without holding up the loop while a helper works.

    When cancelled the process is killed and reaped.

    Args:
        spawner: The helper that does what is to be done between fork and exec, a change of user
            included; None has one of its own where that is needed.
    """
    changes = (request.user, request.group, request.groups) != (None, None, None)
    if spawner is not None and (changes or _needs_helper(request)):
        return await spawner.start(request)
    if not _needs_helper(request):
        return plain(request)
    from virloom.host.spawner import Spawner

    async with Spawner() as own:
        return await own.start(request)


def _needs_helper(request: SpawnRequest) -> bool:
    # Blocked signals survive exec: a QEMU started by a thread that blocks SIGTERM could not be
    # asked to go. Only the child itself can unblock them without losing some of ours.
    blocked = bool(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    return blocked or bool(request.cgroups) or request.confinement is not None


def plain(request: SpawnRequest) -> Process:
    """A start without helper; by setpriv(1) where it changes the user and names a program file."""
    changes = (request.user, request.group, request.groups) != (None, None, None)
    # One that is not there, or not a program, is said by the exec itself.
    if changes and os.access(request.argv[0], os.X_OK) and os.access(_SETPRIV, os.X_OK):
        bare = request._replace(user=None, group=None, groups=None)
        return _fork_exec(bare, [*_setpriv(request), *request.argv])
    return _fork_exec(request, request.argv)


def _setpriv(request: SpawnRequest) -> list[str]:
    """The words of setpriv(1) before the program's own."""
    words = [_SETPRIV]
    if request.groups is None:
        words.append("--keep-groups")
    elif request.groups:
        words.append("--groups=" + ",".join(map(str, request.groups)))
    else:
        words.append("--clear-groups")
    if request.group is not None:
        words.append(f"--regid={request.group}")
    if request.user is not None:
        words.append(f"--reuid={request.user}")
    return [*words, "--"]


def _fork_exec(request: SpawnRequest, argv: Sequence[str]) -> Process:
    try:
        child = subprocess.Popen(
            argv,
            env=request.env,
            cwd=request.cwd,
            stdin=request.stdin,
            stdout=request.stdout,
            stderr=request.stderr,
            pass_fds=request.pass_fds,
            user=request.user,
            group=request.group,
            extra_groups=request.groups,
            umask=request.umask,
            start_new_session=request.new_session,
        )
    except OSError as error:
        raise _start_failure(request.argv[0], error) from error
    except subprocess.SubprocessError as error:
        raise _start_failure(request.argv[0], OSError(str(error))) from error
    # The child is unreaped, so its pid is its own until we reap it.
    process = Process(PidFd(os.pidfd_open(child.pid), ProcessIdentity.of(child.pid)))
    # From here the pidfd owns it: a Popen that believes the child reaped neither waits nor warns.
    child.returncode = 0
    return process


def _start_failure(program: str, error: OSError) -> Exception:
    doing = f"Unable to start '{program}'"
    if error.filename not in (None, program):
        doing += f" in '{os.fsdecode(error.filename)}'"
    return system_failure(doing, error)


async def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    timeout: float = 30.0,
    env: Mapping[str, str] | None = None,
    limit: int = 16 << 20,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a helper program to its end.

    Its end is its own exit: what a background process of it writes later is not waited for.
    Killed with its process group, and reaped, on every other way out, cancellation included.

    Args:
        input: What it reads from standard input, which is a file; None is ``/dev/null``.
        timeout: Seconds that it may take.
        limit: Bytes that each of its outputs may have.
        pass_fds: Descriptors that it gets under the same numbers.

    Raises:
        OperationTimeout: It took longer.
        InternalError: It wrote more.
        SystemFailure: It cannot be started.
    """
    with contextlib.ExitStack() as resources:
        process: Process | None = None

        def flooded() -> None:
            if process is not None:
                _kill_group(process)

        stdin = DEVNULL if input is None else _file_of(input, resources)
        out = resources.enter_context(Collector(limit, flooded))
        err = resources.enter_context(Collector(limit, flooded))
        process = spawn(SpawnRequest(argv, env, None, stdin, out.writer, err.writer, pass_fds))
        resources.callback(process.close)
        out.begin()
        err.begin()
        await _ended_within(process, timeout, argv[0])
        stdout, stderr = out.finish(), err.finish()
        if out.flooded or err.flooded:
            raise InternalError(f"'{argv[0]}' wrote more than {limit} bytes")
        return Completed(argv, process.exit_code, stdout, stderr)


async def _ended_within(process: Process, timeout: float, program: str) -> None:
    """Return when the process has ended; else kill its group, reap it, and raise."""
    try:
        async with asyncio.timeout(timeout):
            await process.wait()
    except TimeoutError as error:
        _kill_group(process)
        await process.wait()
        doing = f"'{program}' did not end within {timeout:g} seconds"
        raise OperationTimeout(doing) from error
    except asyncio.CancelledError:
        _kill_group(process)
        await process.wait()
        raise


def _kill_group(process: Process) -> None:
    # While the leader is unreaped its pid, and so the group's number, is nobody else's.
    if not process.poll():
        os.killpg(process.pid, signal.SIGKILL)


def _file_of(data: bytes, resources: contextlib.ExitStack) -> int:
    """A descriptor at the start of an anonymous file with *data*."""
    fd = os.memfd_create("virloom-input", os.MFD_CLOEXEC)
    resources.callback(os.close, fd)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
