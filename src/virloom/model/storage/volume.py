# SPDX-License-Identifier: Apache-2.0
"""``<volume>``: one piece of storage of a pool."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.schema import PathSchema, schema
from virloom.model.storage.target import (
    Amount,
    FormatType,
    Permissions,
    SecretReference,
    Timestamps,
)
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, flag, group, leaf
from virloom.xml.kinds import STRING, UINT, choice, option


class Extent(Element):
    """``<extent start='0' end='1024'/>``, in bytes."""

    start: str | None = attribute(STRING)
    end: str | None = attribute(STRING)


class VolumeDevice(Element):
    """``<device path='/dev/sda1'>``: a part of the volume."""

    path: str | None = attribute(STRING)
    extents: list[Extent] = children(Extent, "extent")


class VolumeSource(Element):
    """``<source>`` of a volume: where its bytes are."""

    devices: list[VolumeDevice] = children(VolumeDevice, "device")


class Cipher(Element):
    """``<cipher name='aes' size='256' mode='xts' hash='sha256'/>``; the size in bits."""

    name: str | None = attribute(STRING)
    size: int | None = attribute(UINT)
    mode: str | None = attribute(STRING)
    hash: str | None = attribute(STRING)


class Ivgen(Element):
    """``<ivgen name='plain64' hash='sha256'/>``."""

    name: str | None = attribute(STRING)
    hash: str | None = attribute(STRING)


class Encryption(Element):
    """``<encryption format='luks'>``."""

    format: str | None = attribute(option("default", "qcow", "luks", "luks2", "luks-any"))
    engine: str | None = attribute(choice("qemu", "librbd"))
    secrets: list[SecretReference] = children(SecretReference, "secret")
    cipher: Cipher = group(Cipher)
    ivgen: Ivgen = group(Ivgen)


class ImageFeatures(Element):
    """``<features>`` of an image."""

    closed = "unsupported feature"

    lazy_refcounts: bool = flag()
    extended_l2: bool = flag()


class VolumeTarget(Element):
    """``<target>`` of a volume: its place and its format."""

    path: str | None = leaf(STRING)
    format: FormatType = group(FormatType)
    permissions: Permissions = group(Permissions)
    timestamps: Timestamps = group(Timestamps)
    encryption: Encryption | None = child(Encryption)
    compat: str | None = leaf(STRING)
    nocow: bool = flag()
    cluster_size: Amount = group(Amount, "clusterSize")
    features: ImageFeatures | None = child(ImageFeatures)


class VolumeBacking(Element):
    """``<backingStore>``: the volume that this one is laid over."""

    path: str | None = leaf(STRING)
    format: FormatType = group(FormatType)
    permissions: Permissions = group(Permissions)
    timestamps: Timestamps = group(Timestamps)


class Volume(Element):
    """``<volume type='file'>``."""

    tag = "volume"
    schema_path = "volume"
    error_domain = ErrorDomain.STORAGE

    type: str | None = attribute(choice("file", "block", "dir", "network", "netdir", "ploop"))
    name: str | None = leaf(STRING)
    key: str | None = leaf(STRING)
    source: VolumeSource = group(VolumeSource)
    capacity: Amount = group(Amount)
    allocation: Amount = group(Amount)
    physical: Amount = group(Amount)
    target: VolumeTarget = group(VolumeTarget)
    backing_store: VolumeBacking | None = child(VolumeBacking, "backingStore")

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of volumes."""
        return schema("volume")
