# SPDX-License-Identifier: Apache-2.0
"""The spawn helper: runs between fork and exec, then becomes the program under the same pid.

Run as ``python -I -S spawn.py ORDER REPORT`` by :mod:`virloom.host.process`: single-threaded, the
standard library only. ORDER is a descriptor to read the JSON order from; REPORT gets a JSON
failure, or its end of file, by close-on-exec, when the program runs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
"""The numbers above are from linux/prctl.h and linux/capability.h."""


def _libc_call(name: str, *arguments: Any) -> None:
    import ctypes  # costs milliseconds, and most starts need no capability

    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter_cgroups(files: Sequence[str]) -> None:
    """Move this process, which is one thread, to control groups by their files."""
    for path in files:
        with open(path, "w", encoding="ascii") as file:
            file.write("0")


def set_oom_score_adj(value: int) -> None:
    """Set how soon the kernel kills this process when memory runs out."""
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(value))


def set_limits(limits: dict[str, list[int]]) -> None:
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


def drop_bounding(kept: Sequence[int]) -> None:
    """Take what is not kept out of the bounding set, so that no exec brings it back."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())
    for capability in set(range(last + 1)) - set(kept):
        _libc_call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)


def keep_capabilities(kept: Sequence[int]) -> None:
    """Leave only *kept* in the permitted, effective and inheritable sets (capset(2))."""
    import struct

    low, high = (
        sum(1 << (bit - base) for bit in kept if base <= bit < base + 32) for base in (0, 32)
    )
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", low, low, low, high, high, high)
    _libc_call("capset", header, data)
    for bit in kept:
        # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE: else a program of an ordinary user loses them.
        _libc_call("prctl", 47, 2, bit, 0, 0)


def set_ids(order: dict[str, Any]) -> None:
    """Change groups, group and user, in the order in which the right to do so lasts."""
    if order["groups"] is not None:
        os.setgroups(order["groups"])
    if order["group"] is not None:
        os.setresgid(order["group"], order["group"], order["group"])
    if order["user"] is not None:
        if order["steps"]["capabilities"]:
            _libc_call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(order["user"], order["user"], order["user"])


def set_no_new_privileges() -> None:
    """Let no exec gain rights, for good."""
    _libc_call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def reset_signals() -> None:
    """Give the program no ignored or blocked signal of ours."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


Step = tuple[str, Any, Callable[[], None]]


def steps(order: dict[str, Any]) -> list[Step]:
    """Name, value and action of every step that is asked for, in order."""
    asked = order["steps"]
    capabilities = asked["capabilities"]
    table: list[tuple[str, Any, Callable[[Any], None]]] = [
        ("cgroups", asked["cgroups"], enter_cgroups),
        ("oom_score_adj", asked["oom_score_adj"], set_oom_score_adj),
        ("limits", asked["limits"], set_limits),
        ("affinity", asked["affinity"], set_affinity),
        ("nice", asked["nice"], set_nice),
        ("bounding capabilities", capabilities, drop_bounding),
        ("ids", order, set_ids),
        ("capabilities", capabilities, keep_capabilities),
        (
            "no_new_privileges",
            asked["no_new_privileges"] or None,
            lambda _: set_no_new_privileges(),
        ),
        ("signals", True, lambda _: reset_signals()),
        ("exec", order["argv"], lambda argv: os.execvp(argv[0], argv)),
    ]
    return [
        (name, value, lambda action=action, value=value: action(value))  # type: ignore[misc]  # mypy cannot infer defaults of a lambda
        for name, value, action in table
        if value is not None
    ]


def main() -> None:
    """Do every step; report the first that fails and end with status 127."""
    order_fd, report_fd = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(report_fd, False)
    with open(order_fd, "rb") as file:
        file.seek(0)
        order = json.load(file)
    for name, value, action in steps(order):
        try:
            action()
        except OSError as error:
            detail = value if isinstance(value, (str, int)) else json.dumps(value)
            text = error.strerror or str(error)
            failure = {"step": name, "detail": str(detail), "errno": error.errno or 0, "text": text}
            os.write(report_fd, json.dumps(failure).encode())
            os._exit(127)


if __name__ == "__main__":
    main()
