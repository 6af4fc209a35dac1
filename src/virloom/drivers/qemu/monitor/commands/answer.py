# SPDX-License-Identifier: Apache-2.0
"""Reading answers: what has not the documented form is an error that names the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError


@contextmanager
def reading(command: str) -> Iterator[None]:
    """Raises InternalError when the block finds the answer to *command* of another form."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        raise InternalError(
            f"QEMU's answer to '{command}' has not the expected form: {exc!r}",
            domain=ErrorDomain.QEMU,
        ) from exc
