# SPDX-License-Identifier: Apache-2.0
"""``<auth>``, ``<encryption>``, ``<reservations>`` and the like: what opens an image."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.units import BYTES
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group, leaf
from virloom.xml.kinds import UINT, ULONG_OWNED, UUID, YES_NO, answering, blank, choice


class StorageSecret(Element):
    """``<secret type='ceph' usage='…'/>``: a secret by one of its two names."""

    type: str | None = attribute()
    uuid: str | None = attribute(answering(UUID, XmlError, ErrorDomain.NONE))
    usage: str | None = attribute()


class Auth(Element):
    """``<auth username='…'>``: who asks for the image."""

    username: str | None = attribute()
    secret: StorageSecret = group(StorageSecret)


class Cipher(Element):
    """``<cipher name='aes' size='256' mode='cbc' hash='sha256'/>`` of a volume."""

    name: str | None = attribute()
    size: int | None = attribute(UINT)
    mode: str | None = attribute()
    hash: str | None = attribute()


class InitialVector(Element):
    """``<ivgen name='plain64' hash='sha256'/>`` of a volume."""

    name: str | None = attribute()
    hash: str | None = attribute()


_FORMAT = answering(
    choice("default", "qcow", "luks", "luks2", "luks-any"), ConfigUnsupported, ErrorDomain.STORAGE
)


class Encryption(Element):
    """``<encryption format='luks' engine='qemu'>``: how the image is encrypted."""

    format: str | None = attribute(blank(_FORMAT))
    engine: str | None = attribute(choice("qemu", "librbd"))
    secrets: list[StorageSecret] = children(StorageSecret, "secret")
    cipher: Cipher | None = child(Cipher)
    ivgen: InitialVector | None = child(InitialVector)


class MetadataCache(Element):
    """``<metadata_cache><max_size unit='bytes'>…``: memory for a qcow2 image's tables."""

    max_size: int | None = leaf(BYTES)


class Reconnect(Element):
    """``<reconnect enabled='yes' timeout='10'/>``, in seconds; ``delay`` is an NBD disk's."""

    enabled: bool | None = attribute(YES_NO)
    timeout: int | None = attribute(UINT)
    delay: int | None = attribute(UINT, since="9.4.0")


class ReservationsSource(Element):
    """``<source type='unix' path='…' mode='client'/>``: the helper's socket."""

    type: str | None = attribute()
    path: str | None = attribute()
    mode: str | None = attribute()
    reconnect: Reconnect = group(Reconnect)


class Reservations(Element):
    """``<reservations managed='no'>``: SCSI persistent reservations by a helper process."""

    managed: bool | None = attribute(YES_NO)
    source: ReservationsSource = group(ReservationsSource)


class Slice(Element):
    """``<slice type='storage' offset='0' size='4096'/>``, in bytes."""

    type: str | None = attribute()
    offset: int | None = attribute(ULONG_OWNED)
    size: int | None = attribute(ULONG_OWNED)


class Slices(Element):
    """``<slices>``: the part of the storage that holds the image."""

    slices: list[Slice] = children(Slice, "slice")
