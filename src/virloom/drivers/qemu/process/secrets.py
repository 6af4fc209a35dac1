# SPDX-License-Identifier: Apache-2.0
"""The secrets of a guest that starts: asked of whoever keeps them, for QEMU alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.runtime.secret_values import secret_value
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
        return {
            name: await secret_value(
                endpoint, SecretUsageType.VOLUME, uuid=secret.uuid, usage=secret.usage
            )
            for name, secret in wanted.items()
        }


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
