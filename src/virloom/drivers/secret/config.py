# SPDX-License-Identifier: Apache-2.0
"""``secret.conf``: whether values are encrypted, and where the key is; with libvirt's names."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from virloom.drivers.runtime.settings import read_settings
from virloom.drivers.secret.cipher import KEY, Cipher
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, ConfSyntax, system_failure

logger = logging.getLogger(__name__)

#: The name of systemd's credential.
CREDENTIAL = "secrets-encryption-key"


class SecretConfig:
    """What the file says.

    Attributes:
        encrypt_data: 1: values are encrypted, and the daemon does not start without a key; 0: they
            are not. Without it they are where there is a key.
        secrets_encryption_key: A file of 32 random bytes (``head -c 32 /dev/urandom > FILE``).
            Without it systemd's credential ``secrets-encryption-key``
            (``LoadCredentialEncrypted=``) is the key, where the unit has one.
    """

    def __init__(self) -> None:
        self.encrypt_data: bool | None = None
        self.secrets_encryption_key: str | None = None

    @classmethod
    def load(cls, path: Path) -> SecretConfig:
        """The configuration in *path*; the defaults where there is no such file.

        Raises:
            ConfSyntax: It is malformed, or a value has the wrong type.
            SystemFailure: It cannot be read.
        """
        config = cls()
        for name, value in read_settings(path).items():
            if name == "encrypt_data" and value in (0, 1):
                config.encrypt_data = bool(value)
            elif name == "secrets_encryption_key" and isinstance(value, str) and value:
                config.secrets_encryption_key = value
            elif name in vars(config):
                wanted = "0 or 1" if name == "encrypt_data" else "a path"
                raise ConfSyntax(
                    f"{path}: {name} must be {wanted}, not {value!r}", domain=ErrorDomain.CONF
                )
            else:
                logger.info("%s: '%s' has no meaning here", path, name)
        return config

    def cipher(self) -> Cipher | None:
        """What encrypts values; None where nothing does.

        Raises:
            ConfigUnsupported: There is no key, or it is not of 32 bytes.
            SystemFailure: It cannot be read.
        """
        if self.encrypt_data is False:
            return None
        path = self._key_file()
        if path is None:
            if self.encrypt_data:
                raise ConfigUnsupported(
                    "secret.conf says encrypt_data = 1, and there is no key",
                    domain=ErrorDomain.SECRET,
                    remedy=f"name a file of {KEY} random bytes by secrets_encryption_key",
                )
            return None
        return Cipher(_read_key(path))

    def _key_file(self) -> Path | None:
        if self.secrets_encryption_key is not None:
            return Path(self.secrets_encryption_key)
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        path = Path(directory) / CREDENTIAL if directory else None
        return path if path is not None and path.exists() else None


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = file.read(KEY + 1)
    except OSError as exc:
        doing = f"cannot read the key of secrets '{path}'"
        raise system_failure(doing, exc, domain=ErrorDomain.SECRET) from exc
    if len(key) != KEY:
        raise ConfigUnsupported(
            f"the key of secrets '{path}' must have {KEY} bytes", domain=ErrorDomain.SECRET
        )
    return key
