# SPDX-License-Identifier: Apache-2.0
"""The files of control groups. Each is written by one call, as the kernel wants it."""

from __future__ import annotations

import os

from virloom.enums.error import ErrorDomain
from virloom.errors import SystemFailure, system_failure


def read_text(path: str) -> str:
    """What a file says, without the white space at its end.

    Raises:
        OSError: It is not there.
    """
    with open(path, "rb", buffering=0) as file:
        return file.read().decode(errors="replace").rstrip()


def write_text(path: str, value: str) -> None:
    """Writes a value; a file that is not there is not made.

    Raises:
        OSError: The kernel does not take it.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def read(path: str) -> str:
    """As :func:`read_text`.

    Raises:
        SystemFailure: It cannot be read.
    """
    try:
        return read_text(path)
    except OSError as exc:
        raise _failure(f"cannot read '{path}'", exc) from exc


def write(path: str, value: str) -> None:
    """As :func:`write_text`.

    Raises:
        SystemFailure: The kernel does not take it.
    """
    try:
        write_text(path, value)
    except OSError as exc:
        raise _failure(f"cannot write '{value}' to '{path}'", exc) from exc


def _failure(doing: str, error: OSError) -> SystemFailure:
    return system_failure(doing, error, domain=ErrorDomain.CGROUP)
