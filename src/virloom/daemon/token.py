# SPDX-License-Identifier: Apache-2.0
"""What the daemons of a host know each other by: libvirt's file, and libvirt's name for it.

Whoever states it belongs to them, for nobody but their user can read the file.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, system_failure
from virloom.host.files import ensure_directory

#: The parameter of CONNECT_SET_IDENTITY.
PARAMETER = "system.token"
#: Hexadecimal digits.
_LENGTH = 32


class SystemToken:
    """The token of the daemons whose sockets are in one directory.

    Args:
        run: That directory, ``run/libvirt``.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / "common" / "system.token"
        self._value: str | None = None

    def value(self) -> str:
        """The token; whichever daemon asks first makes it.

        Raises:
            SystemFailure: It can neither be read nor made.
            InternalError: Something else is in its place.
        """
        if self._value is None:
            ensure_directory(self._path.parent, 0o700)
            self._value = self._read_or_make()
        return self._value

    def matches(self, stated: str) -> bool:
        """Whether somebody knows it.

        Raises:
            VirloomError: As :meth:`value`.
        """
        import hmac  # brings libcrypto along, and few are ever asked

        return hmac.compare_digest(stated.encode(errors="replace"), self.value().encode())

    def _read_or_make(self) -> str:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(self._path, flags, 0o600), "r+b", buffering=0) as file:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)  # libvirt's daemons wait for the same byte
                text = file.read(_LENGTH + 1).decode(errors="replace")
                if len(text) < _LENGTH:
                    text = os.urandom(_LENGTH // 2).hex()
                    os.ftruncate(file.fileno(), 0)
                    os.pwrite(file.fileno(), text.encode(), 0)
        except OSError as exc:
            raise system_failure(f"cannot use the system token '{self._path}'", exc) from exc
        if not re.fullmatch(rf"[0-9a-f]{{{_LENGTH}}}", text):
            raise InternalError(
                f"'{self._path}' holds no system token",
                domain=ErrorDomain.IDENTITY,
                remedy="remove it, and restart the daemons",
            )
        return text
