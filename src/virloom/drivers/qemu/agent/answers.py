# SPDX-License-Identifier: Apache-2.0
"""Reading an agent's answers, in which the guest may have put anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

#: Things of a kind, interfaces and users say, that a guest may have.
MANY = 2048

_LLONG = 1 << 63


@contextmanager
def reading(command: str) -> Iterator[None]:
    """Raises InternalError when the block finds the answer to *command* of another form."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as exc:
        raise InternalError(
            f"the guest agent's answer to '{command}' has not the expected form: {exc!r}"[:400],
            domain=ErrorDomain.QEMU,
        ) from exc


def text(value: Any) -> str:
    """A text that goes over the wire: what UTF-8 and C do not have is replaced."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def number(value: Any, low: int = -_LLONG, high: int = _LLONG - 1) -> int:
    """A number within its bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"not a number from {low} to {high}")
    return value


def items(value: Any) -> list[dict[str, Any]]:
    """A list of objects, not too long a one."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("not a list of objects")
    if len(value) > MANY:
        raise ValueError(f"more than {MANY} of them")
    return value
