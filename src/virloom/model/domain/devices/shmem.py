# SPDX-License-Identifier: Apache-2.0
"""``<shmem>``: memory that guests share."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.model.units import scaled
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, group, leaf
from virloom.xml.kinds import ON_OFF, STRING, UINT, Kind, choice

_BYTES_PER_MIB = 1024 * 1024

_MEBIBYTES: Kind[int] = Kind(
    None,
    scaled=lambda text, unit: scaled(text, unit, default=1024, limit=(1 << 64) - 1),
    amount=lambda value: (str(value // _BYTES_PER_MIB), "M"),
)
"""Held in bytes, written in MiB, read in KiB where no unit is given."""


class ShmemModel(Element):
    """``<model type='ivshmem-plain'/>``."""

    type: str | None = attribute(choice("ivshmem", "ivshmem-plain", "ivshmem-doorbell"))


class ShmemServer(Element):
    """``<server path='…'/>``: where the server of the memory listens."""

    path: str | None = attribute(STRING)


class ShmemMsi(Element):
    """``<msi vectors='32' ioeventfd='on'/>``."""

    vectors: int | None = attribute(UINT)
    ioeventfd: bool | None = attribute(ON_OFF)


class Shmem(Device):
    """``<shmem name='my_shmem0' role='peer'>``; ``size`` is in bytes."""

    tag = "shmem"
    schema_path = "domain/devices/shmem"

    name: str | None = attribute(STRING)
    role: str | None = attribute(choice("master", "peer"))
    model: ShmemModel = group(ShmemModel)
    size: int | None = leaf(_MEBIBYTES)
    server: ShmemServer | None = child(ShmemServer)
    msi: ShmemMsi | None = child(ShmemMsi)
