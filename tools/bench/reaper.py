# SPDX-License-Identifier: Apache-2.0
"""One child subreaper above everything that is measured.

Where process 1 reaps orphans late, a guest that has ended seems to live on for seconds; libvirt's
guests are orphans. And what is left when the work ends, or is ended, is ended here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from virloom.testing.subreaper import child_subreaper

_ENDED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_below(work: Callable[[], int]) -> int:
    """Run *work* in a child and reap whatever ends below, at once; returns what *work* returned.

    Nothing that it started outlives the call, also when a signal ends it.
    """
    with child_subreaper():
        child = os.fork()
        if child == 0:
            os._exit(_guarded(work))
        with _passing_signals_on(child):
            status = _reap_until(child)
        _end_what_is_left()
    return os.waitstatus_to_exitcode(status)


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _reap_until(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


@contextlib.contextmanager
def _passing_signals_on(child: int) -> Iterator[None]:
    before = {
        number: signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
        for number in _ENDED_BY
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_what_is_left() -> None:
    """Orphans become our children, so that round by round there is nothing left."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while pids := children.read_text().split():
        for pid in map(int, pids):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
