# SPDX-License-Identifier: Apache-2.0
"""Files that hold the state of a saved domain: its document, behind a mark and a length."""

from __future__ import annotations

import sys

from virloom.drivers.test.files import read_file, write_file
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, system_failure

_MARK = b"TestGuestMagic\0"
_LENGTH = 4
#: More than any document has.
_LIMIT = 1 << 26


def write_state(path: str, document: str) -> None:
    """Writes a state.

    Raises:
        SystemFailure: It cannot be written.
    """
    data = document.encode()
    _write(path, _MARK + len(data).to_bytes(_LENGTH, sys.byteorder) + data)


def write_core(path: str) -> None:
    """Writes what passes for the memory of a domain.

    Raises:
        SystemFailure: It cannot be written.
    """
    _write(path, _MARK)


def _write(path: str, data: bytes) -> None:
    try:
        write_file(path, data)
    except OSError as exc:
        raise system_failure(f"cannot write '{path}'", exc, domain=ErrorDomain.TEST) from exc


def read_state(path: str) -> str:
    """The document in a state.

    Raises:
        SystemFailure: It cannot be read.
        InternalError: It is none.
    """
    try:
        data = read_file(path, _LIMIT)
    except OSError as exc:
        raise system_failure(
            f"cannot read domain image '{path}'", exc, domain=ErrorDomain.TEST
        ) from exc
    head = len(_MARK) + _LENGTH
    if not data.startswith(_MARK) or len(data) < head:
        raise _incomplete(path)
    length = int.from_bytes(data[len(_MARK) : head], sys.byteorder)
    if len(data) < head + length:
        raise _incomplete(path)
    return data[head : head + length].decode(errors="replace")


def _incomplete(path: str) -> VirloomError:
    error = system_failure(f"incomplete save header in '{path}'", OSError(0, ""))
    error.domain = ErrorDomain.TEST
    return error
