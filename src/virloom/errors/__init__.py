# SPDX-License-Identifier: Apache-2.0
"""Every error that Virloom raises, with libvirt's codes.

::

    VirloomError
    ├── InternalError, OperationFailed, NoDomain, ...   one class per libvirt code
    └── UnknownError                                    a code newer than our tables

The same classes are used on both sides of a connection: a server turns them into the wire's
error structure, and a client gets them back by :func:`error_from_code`.
"""

from __future__ import annotations

from virloom.errors.base import UnknownError, VirloomError
from virloom.errors.classes import *  # noqa: F403 - the generated classes are this module's content
from virloom.errors.classes import BY_CODE
from virloom.errors.classes import __all__ as _class_names
from virloom.errors.system import system_failure

__all__ = [
    "UnknownError",
    "VirloomError",
    "error_from_code",
    "system_failure",
    *_class_names,
]


def error_from_code(code: int) -> type[VirloomError]:
    """The exception class of a libvirt error code; :class:`UnknownError` for one we do not know."""
    return BY_CODE.get(code, UnknownError)
