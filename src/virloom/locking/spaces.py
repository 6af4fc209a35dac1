# SPDX-License-Identifier: Apache-2.0
"""Lock spaces: that of all files, by their paths, and directories with a file for each lease."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationInvalid, VirloomError, system_failure
from virloom.host.files import ensure_directory

logger = logging.getLogger(__name__)


class Spaces:
    """The lock spaces of a daemon."""

    def __init__(self) -> None:
        self._paths: list[str] = []

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str) -> None:
        """Makes a directory one.

        Raises:
            InternalError: It is one already (libvirt's code for it).
            OperationInvalid: The path is empty: that of all files is always there.
            VirloomError: It is no directory, and cannot be made.
        """
        if not path:
            raise OperationInvalid("the default lockspace already exists", domain=ErrorDomain.RPC)
        if not path.startswith("/"):
            raise InvalidArg(f"'{path}' is no absolute path", domain=ErrorDomain.LOCKSPACE)
        if path in self._paths:
            raise InternalError(f"Lockspace for path {path} already exists", domain=ErrorDomain.RPC)
        ensure_directory(path, 0o700)
        self._paths.append(path)

    def restore(self, paths: Iterable[str]) -> None:
        """Those of an earlier process; one whose directory has gone is made again."""
        for path in paths:
            try:
                self.add(path)
            except VirloomError as exc:
                logger.error("the lock space '%s' is lost: %s", path, exc.message)

    def paths(self) -> list[str]:
        """The directories."""
        return list(self._paths)

    def path_of(self, space: str, name: str) -> str:
        """The file of a lease.

        Args:
            space: The directory; empty where the name is a path itself.

        Raises:
            InternalError: There is no such space (libvirt's code for it).
            InvalidArg: The name leads out of it.
        """
        if not space:
            return name
        if space not in self._paths:
            raise InternalError(
                f"Lockspace for path {space} does not exist", domain=ErrorDomain.RPC
            )
        if not name or name in (".", "..") or "/" in name:
            raise InvalidArg(f"'{name}' is no name in a lockspace", domain=ErrorDomain.LOCKSPACE)
        return os.path.join(space, name)

    @staticmethod
    def create(path: str) -> None:
        """Makes a file; may wait.

        Raises:
            SystemFailure: It cannot be made.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            os.close(os.open(path, flags, 0o600))
        except OSError as exc:
            raise system_failure(
                f"Unable to create lockspace resource {path}", exc, domain=ErrorDomain.LOCKSPACE
            ) from exc

    @staticmethod
    def delete(path: str) -> None:
        """Removes a file; may wait.

        Raises:
            SystemFailure: It is there, and cannot be removed.
        """
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise system_failure(
                f"Unable to delete lockspace resource {path}", exc, domain=ErrorDomain.LOCKSPACE
            ) from exc
