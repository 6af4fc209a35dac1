# SPDX-License-Identifier: Apache-2.0
"""The kernel's counters of a process."""

from __future__ import annotations

import os
import time

import pytest

from virloom.host.counters import Counter


def test_time_of_the_processor() -> None:
    try:
        counter = Counter(os.getpid(), "task_clock")
    except OSError as error:  # a container may forbid it
        pytest.skip(f"nothing is counted here: {error}")
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        pass
    assert counter.read() >= 10_000_000
    counter.close()
    counter.close()


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(OSError):
        Counter(2**22 + 1, "task_clock")  # above the highest number that Linux gives
