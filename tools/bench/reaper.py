# SPDX-License-Identifier: Apache-2.0
"""One child subreaper above everything that is measured.

Where process 1 reaps orphans late, a guest that has ended seems to live on for seconds; libvirt's
guests are orphans.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from virloom.host.subreaper import child_subreaper


def run_below(work: Callable[[], int]) -> int:
    """Run *work* in a child and reap whatever ends below, at once; returns what *work* returned."""
    with child_subreaper():
        child = os.fork()
        if child == 0:
            os._exit(_guarded(work))
        while True:
            pid, status = os.wait()
            if pid == child:
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
