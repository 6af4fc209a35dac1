# SPDX-License-Identifier: Apache-2.0
"""Values that only the key of this host opens: AES-256-GCM, bound to the secret that they are of.

A file is one line of base64: a nonce of 12 bytes, the ciphertext, its tag of 16 bytes. The
secret's UUID is authenticated with it, so a file under another's name is no value of that one.
"""

from __future__ import annotations

import base64
import binascii
import os
from uuid import UUID

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

#: Bytes of a key.
KEY = 32
_NONCE, _TAG = 12, 16


class Cipher:
    """Encrypts and opens values.

    Args:
        key: 32 bytes.

    Raises:
        ConfigUnsupported: The library for it is not installed.
    """

    def __init__(self, key: bytes) -> None:
        try:
            # Only where a key is configured.
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as exc:
            raise ConfigUnsupported(
                "values of secrets are to be encrypted, and the package 'cryptography' is not "
                "installed",
                domain=ErrorDomain.SECRET,
                remedy="pip install virloom[secrets], or set encrypt_data = 0 in secret.conf",
            ) from exc
        self._aead = AESGCM(key)

    def seal(self, uuid: str, value: bytes) -> bytes:
        """The content of the file of the secret *uuid*."""
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._aead.encrypt(nonce, value, _bound(uuid)))

    def open(self, uuid: str, content: bytes) -> bytes:
        """The value in such a file.

        Raises:
            ValueError: It is damaged, of another secret, or sealed with another key.
        """
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(content.strip(), validate=True)
            if len(data) < _NONCE + _TAG:
                raise ValueError("it is too short")
            return self._aead.decrypt(data[:_NONCE], data[_NONCE:], _bound(uuid))
        except binascii.Error as exc:
            raise ValueError(f"it is not base64: {exc}") from exc
        except InvalidTag as exc:
            raise ValueError("the key does not open it: it is damaged, or of another key") from exc


def _bound(uuid: str) -> bytes:
    return b"virloom secret 1 " + UUID(uuid).bytes
