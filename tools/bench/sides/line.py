# SPDX-License-Identifier: Apache-2.0
"""Requests on standard input, answers on standard output, as lines of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Answer = Any
Handler = Callable[..., Answer]


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer requests ``{"do": NAME, …arguments}`` by *handlers* until the input ends.

    The answer is ``{"ok": …}`` or, for any exception, ``{"error": …}``: one row of the table is
    lost, not the run.
    """
    for text in sys.stdin:
        request = json.loads(text)
        try:
            answer = {"ok": handlers[request.pop("do")](**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that *action* took, and what it returned."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def own_memory() -> int:
    """Bytes of memory that belong to this process alone (private pages)."""
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024


#: Seconds until a guest's firmware has read its kernel and all of a large initial file system.
FILLING = 15.0


def speeds(path: str, saved: float, restored: float) -> dict[str, float]:
    """Megabytes a second of a file that took so many seconds each way; the file goes."""
    import os

    size = os.stat(path).st_size / 1e6
    os.unlink(path)
    return {"save": size / saved, "restore": size / restored, "megabytes": size}


def arguments_of(guest: str) -> list[str]:
    """The command line of the running QEMU of the guest called *guest*; inherited files by path.

    Raises:
        LookupError: No such process.
    """
    import glob
    import os

    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                argv = [part.decode() for part in file.read().split(b"\0")[:-1]]
            if any(word.startswith(f"guest={guest},") for word in argv):
                process = os.path.dirname(path)
                return [_without_descriptor(word, process) for word in argv]
        except (FileNotFoundError, ProcessLookupError):
            continue
    raise LookupError(f"no QEMU of guest '{guest}'")


def _without_descriptor(word: str, process: str) -> str:
    import os

    prefix = "/proc/self/fd/"
    if not word.startswith(prefix):
        return word
    return os.readlink(f"{process}/fd/{word.removeprefix(prefix)}")


def wait_for_guest(console: str, limit: float = 120.0) -> None:
    """Returns when the tiny guest has said on its console, a file, that it is ready.

    Raises:
        RuntimeError: It does not within *limit* seconds.
    """
    deadline = time.monotonic() + limit
    while b"VIRLOOM-GUEST-READY" not in _content(console):
        if time.monotonic() > deadline:
            raise RuntimeError("the guest does not boot")
        time.sleep(0.1)  # outside of every measurement


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
