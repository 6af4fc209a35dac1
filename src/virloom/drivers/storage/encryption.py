# SPDX-License-Identifier: Apache-2.0
"""``<encryption>`` of volumes: what can be made, its options, and where the passphrase comes from.

The passphrase is asked of the secret area when it is needed, kept nowhere, and handed to
``qemu-img`` by a descriptor (:mod:`virloom.drivers.storage.qemu_img`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from virloom.drivers.runtime.secret_values import secret_value
from virloom.endpoint.areas import Areas
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretUsageType
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoSecret,
    NoSupport,
    XmlError,
)
from virloom.model.storage import Volume
from virloom.model.storage.target import SecretReference
from virloom.model.storage.volume import Encryption

_DOMAIN, _XML = ErrorDomain.STORAGE, ErrorDomain.XML
_VOLUME = SecretUsageType.VOLUME
#: What ``qemu-img`` calls the passphrase of the volume that is made or changed.
KEY = "key"
#: Bytes before the content of a block device that LUKS encrypts; QEMU's header is as large.
LUKS_HEADER = 2 << 20


class Keys(NamedTuple):
    """The passphrases that making a volume takes; None of what is not encrypted.

    Attributes:
        new: Of the volume that is made.
        origin: Of the one whose content it gets.
    """

    new: bytes | None = None
    origin: bytes | None = None


def check_document(encryption: Encryption) -> None:
    """Refuses what no volume can have.

    Raises:
        XmlError: It has no format, a secret no name, or a vector generator no cipher.
        ConfigUnsupported: A secret is of another type than ``passphrase``.
    """
    if encryption.format is None:
        raise XmlError("unknown volume encryption format", domain=_DOMAIN)
    for secret in encryption.secrets:
        if secret.type != "passphrase":
            raise ConfigUnsupported(
                f"unknown volume encryption secret type {secret.type}", domain=_DOMAIN
            )
        if secret.uuid is None and secret.usage is None:
            raise XmlError("missing secret uuid or usage attribute", domain=ErrorDomain.NONE)
    _check_cipher(encryption)


def _check_cipher(encryption: Encryption) -> None:
    cipher, vector = encryption.cipher, encryption.ivgen
    given = (cipher.name, cipher.size, cipher.mode, cipher.hash)
    if any(part is not None for part in given):
        for what, value in (("name", cipher.name), ("size", cipher.size)):
            if value is None:
                raise XmlError(
                    f"Missing required attribute '{what}' in element 'cipher'", domain=_XML
                )
    elif vector.name is not None or vector.hash is not None:
        raise XmlError("ivgen element found, but cipher is missing", domain=_DOMAIN)
    if vector.hash is not None and vector.name is None:
        raise XmlError("Missing required attribute 'name' in element 'ivgen'", domain=_XML)


def check_makeable(model: Volume) -> None:
    """Refuses what cannot be made encrypted; without ``<encryption>`` there is nothing to refuse.

    Raises:
        InternalError: A raw volume is to be encrypted otherwise than by LUKS (libvirt's code).
        ConfigUnsupported: Volumes of its format are not, or not in that way.
        InvalidArg: It has not just one secret.
    """
    encryption, kind = model.target.encryption, model.target.format.type
    if encryption is None:
        return
    if kind == "raw":
        if encryption.format != "luks":
            raise InternalError("Only luks encryption is supported for raw files", domain=_DOMAIN)
    elif kind != "qcow2":
        raise ConfigUnsupported(f"volume encryption unsupported with format {kind}", domain=_DOMAIN)
    elif encryption.format != "luks":
        raise ConfigUnsupported(
            "creation of qcow2 encrypted image is not supported", domain=_DOMAIN
        )
    passphrase(encryption)


def check_device(model: Volume) -> None:
    """Refuses a volume that is a block device and cannot be made encrypted.

    Raises:
        ConfigUnsupported: It is to be encrypted otherwise than by LUKS.
    """
    wanted = model.target.encryption
    if wanted is not None and wanted.format != "luks":
        raise ConfigUnsupported("block devices are encrypted by LUKS alone", domain=_DOMAIN)


def passphrase(encryption: Encryption) -> SecretReference:
    """The one secret of it.

    Raises:
        InvalidArg: There is none, or more than one.
    """
    if len(encryption.secrets) != 1:
        raise InvalidArg(
            "A single <secret type='passphrase'...> element is expected in encryption description",
            domain=_DOMAIN,
        )
    return encryption.secrets[0]


def options(encryption: Encryption, *, prefix: str = "") -> Iterator[str]:
    """What ``qemu-img create -o`` is told, with the key called :data:`KEY`.

    Args:
        prefix: ``encrypt.`` where the encryption is a part of another format.
    """
    yield f"{prefix}key-secret={KEY}"
    cipher, vector = encryption.cipher, encryption.ivgen
    if cipher.name is not None:
        yield f"{prefix}cipher-alg={_word(cipher.name)}-{cipher.size}"
        named = (("cipher-mode", cipher.mode), ("hash-alg", cipher.hash))
        more = (("ivgen-alg", vector.name), ("ivgen-hash-alg", vector.hash))
        for option, value in (*named, *more):
            if value is not None:
                yield f"{prefix}{option}={_word(value)}"


def _word(text: str) -> str:
    """A name for ``qemu-img``, in which nothing can end an option."""
    return text.replace(",", ",,")


async def look_up(areas: Areas, volume: Volume) -> bytes | None:
    """The passphrase of a volume; None where it is not encrypted.

    A volume that was found has no secret in its document, as with libvirt: the one whose usage is
    the path of the volume is taken then, if there is one.

    Raises:
        InvalidArg: The volume has not just one secret.
        NoSupport: Nobody keeps secrets here.
        NoSecret: There is none of that name, or it has no value.
    """
    target = volume.target
    if target.encryption is None:
        return None
    if not target.encryption.secrets:
        with contextlib.suppress(NoSecret, NoSupport):
            async with areas.opened("secret", trusted=True) as endpoint:
                return await secret_value(endpoint, _VOLUME, uuid=None, usage=target.path)
    secret = passphrase(target.encryption)
    async with areas.opened("secret", trusted=True) as endpoint:
        return await secret_value(endpoint, _VOLUME, uuid=secret.uuid, usage=secret.usage)
