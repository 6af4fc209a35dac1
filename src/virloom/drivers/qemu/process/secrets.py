# SPDX-License-Identifier: Apache-2.0
"""The secrets of a guest that starts: asked of whoever keeps them, for QEMU alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.secret import SecretUsageType
from virloom.model.domain import Domain, Encryption, StorageSecret

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

Chains = Mapping[str, tuple[ImageLayer, ...]]


async def look_up(driver: QemuDriver, model: Domain, chains: Chains) -> dict[str, bytes]:
    """The values that the guest's images need, by the secret's uuid or usage.

    Raises:
        NoSupport: Nobody keeps secrets here.
        NoSecret: There is none of that name, or it has no value.
    """
    wanted = {secret.uuid or secret.usage or "": secret for secret in _wanted(model, chains)}
    if not wanted:
        return {}
    async with driver.areas.opened("secret", trusted=True) as endpoint:
        return {name: await _value(endpoint, secret) for name, secret in wanted.items()}


def _wanted(model: Domain, chains: Chains) -> Iterator[StorageSecret]:
    for disk in model.devices.disks:
        if disk.encryption is not None:
            yield from _passphrases(disk.encryption)
    for layers in chains.values():
        for layer in layers:
            if layer.source is not None and layer.source.encryption is not None:
                yield from _passphrases(layer.source.encryption)


def _passphrases(encryption: Encryption) -> Iterator[StorageSecret]:
    if encryption.engine == "qemu":
        yield from encryption.secrets[:1]


async def _value(endpoint: Endpoint, secret: StorageSecret) -> bytes:
    from virloom.procedures import secret as p  # few guests have any

    if secret.uuid is not None:
        by_uuid = p.SecretLookupByUUIDArgs(UUID(secret.uuid).bytes)
        found = (await endpoint.call(p.SECRET_LOOKUP_BY_UUID, by_uuid)).secret
    else:
        use = int(SecretUsageType.VOLUME)
        by_use = p.SecretLookupByUsageArgs(use, secret.usage or "")
        found = (await endpoint.call(p.SECRET_LOOKUP_BY_USAGE, by_use)).secret
    args = p.SecretGetValueArgs(found, 0)
    return bytes((await endpoint.call(p.SECRET_GET_VALUE, args)).value)
