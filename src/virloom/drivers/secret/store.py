# SPDX-License-Identifier: Apache-2.0
"""Secrets on disk, in libvirt's files: ``UUID.xml``, and ``UUID.base64`` for the value.

A value is never there without its document: it is written after it and removed before it. With a
key it is in ``UUID.aes256gcm`` instead; plain ones from before are read all the same, and replaced
when they change. Of two, one of which a kill left behind, the one counts that would be written.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from virloom.drivers.secret.cipher import Cipher
from virloom.drivers.secret.document import format_secret, parse
from virloom.errors import VirloomError, system_failure
from virloom.host.files import ensure_directory, remove_temporaries, sync_directory, write_atomic
from virloom.model.secret import Secret

logger = logging.getLogger(__name__)

#: How the names of files with values end.
_PLAIN, _SEALED = ".base64", ".aes256gcm"


class Stored(NamedTuple):
    """A secret as it was found."""

    model: Secret
    value: bytes | None


class SecretStore:
    """The files of one directory, whose lock the caller holds.

    Args:
        directory: Made, for its owner only, where it is missing.
        cipher: Encrypts values; None: they are written as they are.
    """

    def __init__(self, directory: Path, cipher: Cipher | None = None) -> None:
        ensure_directory(directory, 0o700)
        remove_temporaries(directory)
        self._directory = directory
        self._cipher = cipher

    def load(self) -> Iterator[Stored]:
        """Every secret; what cannot be read is logged and left alone."""
        for path in sorted(self._directory.glob("*.xml")):
            try:
                model = parse(path.read_text(encoding="utf-8"), validate=False)
                if UUID(path.stem) != UUID(model.uuid or ""):
                    raise ValueError(f"its UUID '{model.uuid}' is not that of its file")
                yield Stored(model, self._value(model))
            except (OSError, ValueError, VirloomError) as exc:
                logger.error("the secret '%s' is left out: %s", path, exc)

    def save(self, model: Secret, value: bytes | None) -> None:
        """Writes document and value, durably.

        Raises:
            SystemFailure: The directory cannot be written.
        """
        write_atomic(self._path(model, ".xml"), format_secret(model).encode())
        self.save_value(model, value)

    def save_value(self, model: Secret, value: bytes | None) -> None:
        """Writes the value, or removes it, durably.

        Raises:
            SystemFailure: The directory cannot be written.
        """
        if value and self._cipher is not None:
            sealed = self._cipher.seal(model.uuid or "", value)
            write_atomic(self._path(model, _SEALED), sealed)
        elif value:
            write_atomic(self._path(model, _PLAIN), base64.b64encode(value))
        for suffix in (_PLAIN, _SEALED):
            if not value or (suffix == _SEALED) != (self._cipher is not None):
                self._remove(self._path(model, suffix))

    def delete(self, model: Secret) -> None:
        """Removes value and document, durably; missing ones are no error.

        Raises:
            SystemFailure: The directory cannot be written.
        """
        for suffix in (_PLAIN, _SEALED, ".xml"):
            self._remove(self._path(model, suffix))

    def _remove(self, path: Path) -> None:
        try:
            if not path.exists():
                return
            path.unlink(missing_ok=True)
            sync_directory(str(self._directory))
        except OSError as exc:
            raise system_failure(f"cannot remove '{path}'", exc) from exc

    def _path(self, model: Secret, suffix: str) -> Path:
        return self._directory / f"{model.uuid}{suffix}"

    def _value(self, model: Secret) -> bytes | None:
        sealed, plain = self._path(model, _SEALED), self._path(model, _PLAIN)
        try:
            if sealed.exists() and (self._cipher is not None or not plain.exists()):
                return self._opened(model, sealed)
            return base64.b64decode(plain.read_bytes(), validate=True) or None
        except FileNotFoundError:
            return None
        except binascii.Error as exc:
            raise ValueError(f"'{plain}' is not base64: {exc}") from exc

    def _opened(self, model: Secret, path: Path) -> bytes:
        if self._cipher is None:
            raise ValueError(f"'{path}' is encrypted, and there is no key")
        try:
            return self._cipher.open(model.uuid or "", path.read_bytes())
        except ValueError as exc:
            raise ValueError(f"'{path}': {exc}") from exc
