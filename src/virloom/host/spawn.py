# SPDX-License-Identifier: Apache-2.0
"""The spawn helper: what happens between fork and exec, in a process with one thread.

Run as ``python -I -S spawn.py SOCKET PARENT PID`` by :mod:`virloom.host.spawner`, which keeps it
for as long as guests are started; the start of an interpreter is paid once, a guest costs a fork of
this small process. Orders come over SOCKET (a seqpacket), PARENT is a pidfd of the daemon PID.

Each order is carried out by a child of the *daemon* (``CLONE_PARENT``): the daemon reaps it, and
learns its end by itself. The child says its pid on the order's report pipe, does the steps, and
becomes the program; the pipe's end of file, by close-on-exec, says that the program runs. A step
that fails is reported there, and the child ends with status 127.

Nothing is started for a daemon that has ended: both this process and the child look, and a child
that has got further holds the guest's liveness lock, by which the next daemon finds it.

The standard library only, and little of it; messages are in the form of :mod:`marshal`, for both
ends are the same interpreter.
"""

from __future__ import annotations

import gc
import marshal
import os
import select
import signal
import sys

# As in the guardian: the package's own __init__ is the public API, which is not needed here.
_package = type(sys)("virloom")
_package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
if __name__ == "__main__":
    sys.modules["virloom"] = _package

from virloom.host import syscalls  # noqa: E402 - see above

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Order = Mapping[str, Any]
    Step = tuple[str, Any, Callable[[Any], None]]

_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
"""The numbers above are from linux/prctl.h and linux/capability.h."""

MAX_MESSAGE = 1 << 16
"""Bytes of one message: numbers of descriptors; the order itself is in a file of memory."""

MAX_FDS = 253
"""Descriptors that the kernel takes in one message (SCM_MAX_FD)."""


# -- the steps -----------------------------------------------------------------------------------


def write_to(path: str, value: bytes) -> None:
    """Write to a file of the kernel's; not as text, for which each child would load a codec."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value)
    finally:
        os.close(fd)


def enter_cgroups(files: Sequence[str]) -> None:
    """Move this process, which is one thread, to control groups by their files."""
    for path in files:
        try:
            write_to(path, b"0")
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error


def set_oom_score_adj(value: int) -> None:
    """Set how soon the kernel kills this process when memory runs out."""
    write_to("/proc/self/oom_score_adj", b"%d" % value)


def set_limits(limits: Mapping[str, Sequence[int]]) -> None:
    """Set resource limits by their names without ``RLIMIT_``."""
    import resource

    for name, (soft, hard) in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            raise OSError(22, f"there is no resource limit '{name}'")
        try:
            resource.setrlimit(number, (soft, hard))
        except ValueError as error:  # a limit above the hard one, without the right to raise it
            raise OSError(1, f"{name} {soft}:{hard}: {error}") from error


def set_affinity(cpus: Sequence[int]) -> None:
    """Bind this process to CPUs."""
    os.sched_setaffinity(0, cpus)


def set_nice(value: int) -> None:
    """Set the nice value."""
    os.setpriority(os.PRIO_PROCESS, 0, value)


def set_memory_policy(policy: tuple[int, Sequence[int]]) -> None:
    """Take memory from these nodes of the host, by a mode of linux/mempolicy.h."""
    mode, nodes = policy
    syscalls.set_mempolicy(mode, sum(1 << node for node in nodes))


def enter_private_dev(order: tuple[Sequence[Sequence[Any]], str | None]) -> None:
    """Leave the host's mount namespace for one with a ``/dev`` of its own."""
    from virloom.host.device_nodes import Node
    from virloom.host.private_dev import enter

    enter([Node(*fields) for fields in order[0]], order[1])


def label_exec(labels: Sequence[tuple[str, str]]) -> None:
    """Ask the kernel's security modules to label the program: file below ``/proc``, and words."""
    for path, words in labels:
        write_to(path, words.encode())


def drop_bounding(kept: Sequence[int]) -> None:
    """Take what is not kept out of the bounding set, so that no exec brings it back."""
    with open("/proc/sys/kernel/cap_last_cap", "rb", buffering=0) as file:
        last = int(file.read())
    for capability in set(range(last + 1)) - set(kept):
        syscalls.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def set_ids(order: Order) -> None:
    """Change groups, group and user, in the order in which the right to do so lasts."""
    if order["groups"] is not None:
        os.setgroups(order["groups"])
    if order["group"] is not None:
        os.setresgid(order["group"], order["group"], order["group"])
    if order["user"] is not None:
        if order["steps"]["capabilities"]:
            syscalls.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(order["user"], order["user"], order["user"])


def keep_capabilities(kept: Sequence[int]) -> None:
    """Leave only *kept* in the permitted, effective and inheritable sets (capset(2))."""
    import struct

    low, high = (
        sum(1 << (bit - base) for bit in kept if base <= bit < base + 32) for base in (0, 32)
    )
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    syscalls.capset(header, struct.pack("=6I", low, low, low, high, high, high))
    for bit in kept:  # else a program of an ordinary user loses them
        syscalls.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, bit, 0, 0)


def set_no_new_privileges(_: bool) -> None:
    """Let no exec gain rights, for good."""
    syscalls.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def ignored_signals() -> list[int]:
    """The signals that this process ignores; found once, for it takes half a millisecond."""
    return [
        number for number in range(1, signal.NSIG) if signal.getsignal(number) == signal.SIG_IGN
    ]


def reset_signals(ignored: Sequence[int]) -> None:
    """Give the program no ignored or blocked signal of ours."""
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def execute(order: Order) -> None:
    """Become the program."""
    os.execvpe(order["argv"][0], order["argv"], order["env"])


def steps(order: Order, ignored: Sequence[int]) -> list[Step]:
    """Name, value and action of every step that is asked for, in order."""
    asked = order["steps"]
    capabilities = asked["capabilities"]
    table: list[Step] = [
        ("cgroups", asked["cgroups"], enter_cgroups),
        ("oom_score_adj", asked["oom_score_adj"], set_oom_score_adj),
        ("limits", asked["limits"], set_limits),
        ("affinity", asked["affinity"], set_affinity),
        ("nice", asked["nice"], set_nice),
        ("memory policy", asked["memory_policy"], set_memory_policy),
        ("mount namespace", asked["private_dev"], enter_private_dev),
        ("security label", asked["exec_labels"], label_exec),
        ("bounding capabilities", capabilities, drop_bounding),
        ("ids", order, set_ids),
        ("capabilities", capabilities, keep_capabilities),
        ("no_new_privileges", asked["no_new_privileges"] or None, set_no_new_privileges),
        ("signals", ignored, reset_signals),
        ("exec", order, execute),
    ]
    return [(name, value, action) for name, value, action in table if value is not None]


# -- the child -----------------------------------------------------------------------------------


def place_descriptors(sources: Sequence[int], numbers: Sequence[int]) -> None:
    """Give each of *sources* its number; all above are out of the way, and close-on-exec."""
    import fcntl

    free = max(numbers, default=2) + 1
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, free) for fd in sources]
    for fd, number in zip(moved, numbers, strict=True):
        os.dup2(fd, number)
        os.close(fd)


def prepare(order: Order) -> None:
    """What :class:`subprocess.Popen` would do."""
    if order["new_session"]:
        os.setsid()
    if order["umask"] >= 0:
        os.umask(order["umask"])
    if order["cwd"] is not None:
        os.chdir(order["cwd"])


def _change_nodes(order: Order, fds: Sequence[int]) -> None:
    from virloom.host.device_nodes import Node
    from virloom.host.private_dev import change

    change(fds[0], [Node(*fields) for fields in order["made"]], order["removed"])


def carry_out(
    order: Order, fds: Sequence[int], report: int, parent: int, ignored: Sequence[int]
) -> None:
    """Do one order in the child; returns only where its program is none."""
    if os.getppid() != parent:
        os._exit(127)  # the daemon has ended
    step: str = "directory"
    value: Any = order.get("cwd")
    try:
        if "made" in order:
            step, value = "device nodes", [fields[0] for fields in order["made"]]
            _change_nodes(order, fds)
            os._exit(0)
        prepare(order)
        step, value = "descriptors", None
        place_descriptors(fds, order["numbers"])
        for name, argument, action in steps(order, ignored):
            step, value = name, argument
            action(argument)
    except Exception as error:  # this process has nobody else to tell
        number, text = getattr(error, "errno", None), getattr(error, "strerror", None)
        detail = "" if value is None or step in ("exec", "ids") else str(value)
        if step == "cgroups":
            detail = str(getattr(error, "filename", detail))
        os.write(report, marshal.dumps((step, detail, number or 0, text or str(error))))
        os._exit(127)


# -- the helper ----------------------------------------------------------------------------------


class Helper:
    """The helper's side of the socket."""

    def __init__(self, socket: Any, parent: int, parent_fd: int) -> None:
        self._socket = socket
        self._parent = parent
        self._parent_fd = parent_fd
        self._fds: list[int] = []
        self._ignored = ignored_signals()

    def serve(self) -> None:
        """Carry orders out until the daemon closes the socket, or ends."""
        poll = select.poll()
        for fd in (self._socket.fileno(), self._parent_fd):
            poll.register(fd, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            # A child of the daemon's may keep its end of the socket open.
            if self._parent_fd in ready or not self._receive():
                return

    def _receive(self) -> bool:
        """One message; descriptors that are too many for one come in several."""
        room = (MAX_FDS + 1) * 4 + 64
        data, messages, _, _ = self._socket.recvmsg(MAX_MESSAGE, room, _CMSG_CLOEXEC)
        if not data:
            return False
        for _, _, payload in messages:
            words = memoryview(payload[: len(payload) // 4 * 4]).cast("i")
            self._fds += words.tolist()
        if data == b"last":
            fds, self._fds = self._fds, []
            try:
                self._start(*fds)
            finally:
                for fd in fds:
                    os.close(fd)
        return True

    def _start(self, memory: int, report: int, *fds: int) -> None:
        order = marshal.loads(os.pread(memory, os.fstat(memory).st_size, 0))
        try:
            pid = syscalls.fork_sibling()
        except OSError as error:
            os.write(report, marshal.dumps(("fork", "", error.errno, error.strerror)))
            return
        if pid == 0:
            # Not to be in the way of the program's own numbers.
            import fcntl

            above = max(order.get("numbers", ()), default=2) + 1
            report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, above)
            os.write(report, b"%d\n" % os.getpid())
            try:
                carry_out(order, fds, report, self._parent, self._ignored)
            finally:
                os._exit(127)


_CMSG_CLOEXEC = 0x40000000
"""MSG_CMSG_CLOEXEC of linux/socket.h."""


def main() -> None:
    """Serve the daemon."""
    import _socket  # the module over it costs as much as all the rest

    # What children need is there before they are forked, or each would load it anew.
    for name in ("errno", "fcntl", "resource", "struct", "virloom.host.private_dev"):
        __import__(name)
    gc.disable()  # what it would write to, a child would have to copy
    gc.freeze()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    socket = _socket.socket(fileno=int(sys.argv[1]))
    parent_fd, parent = int(sys.argv[2]), int(sys.argv[3])
    for fd in (socket.fileno(), parent_fd):
        os.set_inheritable(fd, False)
    Helper(socket, parent, parent_fd).serve()


if __name__ == "__main__":
    main()
