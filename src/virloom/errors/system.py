# SPDX-License-Identifier: Apache-2.0
"""System call failures as errors."""

from __future__ import annotations

import os

from virloom.enums.error import ErrorDomain
from virloom.errors.classes import SystemFailure


def system_failure(
    doing: str, error: OSError, *, domain: ErrorDomain = ErrorDomain.QEMU, remedy: str | None = None
) -> SystemFailure:
    """The error for a system call that failed while *doing* something, with errno in ``int1``.

    libvirt puts errno there for its code SYSTEM_ERROR, and nowhere else.
    """
    number = error.errno if error.errno is not None else -1
    reason = os.strerror(number) if number > 0 else str(error)
    return SystemFailure(f"{doing}: {reason}", domain=domain, int1=number, remedy=remedy)
