# SPDX-License-Identifier: Apache-2.0
"""Work that is killed at one of its steps, case by case: each has a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path


def run_cases(own: Callable[[str, Path], Coroutine[None, None, None]]) -> None:
    """Forks the cases of the command line, two at a time: what they import is imported once.

    A case that is not killed is printed, with its exit code. The command line has the directory
    of all, and then the cases, of which each has a directory below.

    Args:
        own: Does the work of a case in its directory, until it kills itself.
    """
    top = Path(sys.argv[1])
    waiting, children = list(sys.argv[2:]), dict[int, str]()
    while waiting or children:
        while waiting and len(children) < 2:
            case = waiting.pop(0)
            child = os.fork()
            if child == 0:
                asyncio.run(own(case, top / case))
                os._exit(0)
            children[child] = case
        pid, status = os.wait()
        case = children.pop(pid)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            print(f"{case}: {os.waitstatus_to_exitcode(status)}", flush=True)
