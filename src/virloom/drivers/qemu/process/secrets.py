# SPDX-License-Identifier: Apache-2.0
"""The secrets of a guest that starts: asked of whoever keeps them, for QEMU alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.storage_objects import secret_name
from virloom.drivers.runtime.secret_values import secret_value
from virloom.enums.secret import SecretUsageType
from virloom.model.domain import Auth, Domain, Encryption, StorageSecret

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

Chains = Mapping[str, tuple[ImageLayer, ...]]

#: What a secret's usage is of, by its type in ``<auth>``.
_USAGES = {"ceph": SecretUsageType.CEPH, "iscsi": SecretUsageType.ISCSI}


async def look_up(driver: QemuDriver, model: Domain, chains: Chains) -> dict[str, bytes]:
    """The values that the guest's images and devices need, as ``secret_name`` names them.

    Raises:
        NoSupport: Nobody keeps secrets here.
        NoSecret: There is none of that name, or it has no value.
    """
    wanted = {secret_name(secret): (secret, kind) for secret, kind in _wanted(model, chains)}
    if not wanted:
        return {}
    async with driver.areas.opened("secret", trusted=True) as endpoint:
        return {
            name: await secret_value(endpoint, kind, uuid=secret.uuid, usage=secret.usage)
            for name, (secret, kind) in wanted.items()
        }


def _wanted(model: Domain, chains: Chains) -> Iterator[tuple[StorageSecret, SecretUsageType]]:
    for disk in model.devices.disks:
        yield from _passphrases(disk.encryption)
        yield from _credentials(disk.auth)
    for layers in chains.values():
        for layer in layers:
            if layer.source is not None:
                yield from _passphrases(layer.source.encryption)
                yield from _credentials(layer.source.auth)
    for hostdev in model.devices.hostdevs:
        yield from _credentials(hostdev.source.auth)


def _passphrases(
    encryption: Encryption | None,
) -> Iterator[tuple[StorageSecret, SecretUsageType]]:
    if encryption is not None and encryption.engine == "qemu":
        yield from ((secret, SecretUsageType.VOLUME) for secret in encryption.secrets[:1])


def _credentials(auth: Auth | None) -> Iterator[tuple[StorageSecret, SecretUsageType]]:
    if auth is not None:
        yield auth.secret, _USAGES.get(auth.secret.type or "", SecretUsageType.NONE)
