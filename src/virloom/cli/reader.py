# SPDX-License-Identifier: Apache-2.0
"""Whoever reads a program's output may leave before its end, as ``head`` does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


def may_be_left(program: Callable[P, int]) -> Callable[P, int]:
    """*program*, which ends as by SIGPIPE when nobody reads its output any more."""

    @wraps(program)
    def piped(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            code = program(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter must not complain at its end about what is not written yet.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        return code

    return piped
