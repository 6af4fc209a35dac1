# SPDX-License-Identifier: Apache-2.0
"""Checks of what backs a disk: source, credentials, encryption, reservations, backing images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from virloom.drivers.qemu.validate.identity import check_source_labels
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, VirloomError, XmlError
from virloom.model.domain import Auth, BackingStore, Disk, DiskSource, Encryption, StorageSecret

_COOKIE_NAME = frozenset('\r\n\t "(),/:;<=>?@[]{}\\')
_COOKIE_VALUE = frozenset('\r\n\t ",;\\')
#: Types of secrets that there are.
SECRETS = ("volume", "ceph", "iscsi", "tls", "vtpm")
_SECRET_OF_PROTOCOL = {"rbd": "ceph", "iscsi": "iscsi", "ssh": "volume"}
_WEB = ("http", "https")
#: Formats of encryption that QEMU had once.
_GONE = ("default", "qcow")
_NOT_SERVED = ("tftp", "sheepdog", "vxhs")
#: Formats that are read where they lie in a part of a file, too.
_FORMATS_OF_IMAGES_ONLY = ("iso", "cow", "dir")


def check_given_source(disk: Disk) -> None:
    """The source of a disk and of each of its backing images, as the document has them."""
    for message in _source(disk.type or "file", disk.source):
        raise XmlError(f"disk '{disk.target.dev}': {message}", domain=ErrorDomain.DOMAIN)
    for error in chain(_credentials(disk), _helper(disk.target.dev, disk.source)):
        raise error
    if disk.source.reservations is not None and disk.device != "lun":
        raise ConfigUnsupported(
            f"disk '{disk.target.dev}': reservations are for device='lun'",
            domain=ErrorDomain.DOMAIN,
        )
    check_source_labels(disk.source.seclabels)
    _given_backing(disk, disk.backing_store)


def _given_backing(disk: Disk, store: BackingStore | None) -> None:
    while store is not None and store.type is not None:
        name = disk.target.dev
        if store.format.type is None:
            raise XmlError(
                f"a backing image of disk '{name}' has no format", domain=ErrorDomain.DOMAIN
            )
        if "source" not in store.__dict__:
            raise XmlError(
                f"a backing image of disk '{name}' has no source", domain=ErrorDomain.DOMAIN
            )
        for message in _source(store.type, store.source):
            raise XmlError(f"backing image of disk '{name}': {message}", domain=ErrorDomain.DOMAIN)
        if store.source.auth is not None:
            for error in _auth(name, store.source.protocol, store.source.auth):
                raise error
        encryption = _encryption(name, store.source.encryption)
        for error in chain(encryption, _helper(name, store.source)):
            raise error
        check_source_labels(store.source.seclabels)
        store = store.backing_store


def _source(kind: str, source: DiskSource) -> Iterator[str]:
    """What is wrong with a source of that kind, all of it a document's own contradiction."""
    if kind == "network":
        yield from _network(source)
    elif kind == "volume" and bool(source.pool) != bool(source.volume):
        yield "pool and volume are named together"
    elif kind == "nvme":
        yield from _nvme(source)
    elif kind == "vhostuser":
        if source.type not in (None, "unix"):
            yield f"source type '{source.type}'; a vhost-user disk has unix"
        if not source.path:
            yield "a vhost-user disk has no path of a socket"
    for part in source.slices.slices:
        if part.offset is None or part.size is None:
            yield "a slice has both offset and size"
        elif part.type not in (None, "storage"):
            yield f"slice of type '{part.type}'; there is storage"
    reservations = source.reservations
    if reservations is not None:
        if reservations.managed is None:
            yield "<reservations> does not say managed"
        elif not reservations.managed and not reservations.source.type:
            yield "<reservations> that are not managed have no source"


def _network(source: DiskSource) -> Iterator[str]:
    if source.protocol is None:
        yield "a network source has no protocol"
    for host in source.hosts:
        if host.transport == "unix" and not host.socket:
            yield "a host with transport 'unix' has no socket"
        elif host.transport != "unix" and host.socket:
            yield f"transport '{host.transport or 'tcp'}' has no socket"
        elif host.transport != "unix" and not host.name:
            yield "a host has no name"
    if source.protocol in _WEB:
        yield from _cookies(source)


def _cookies(source: DiskSource) -> Iterator[str]:
    seen: set[str] = set()
    for cookie in source.cookies.cookies:
        name, value = cookie.name or "", cookie.value or ""
        if not name or _COOKIE_NAME.intersection(name) or not name.isascii():
            yield f"cookie name '{name}' has characters that it cannot have"
        if name in seen:
            yield f"two cookies are named '{name}'"
        seen.add(name)
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        text = value[1:-1] if quoted else value
        if _COOKIE_VALUE.intersection(text) or not value.isascii():
            yield f"value of cookie '{name}' has characters that it cannot have"


def _nvme(source: DiskSource) -> Iterator[str]:
    if source.type != "pci":
        yield f"source type '{source.type}'; an NVMe disk has pci"
    if source.namespace is None:
        yield "an NVMe source has no namespace"
    elif source.namespace == 0:
        raise ConfigUnsupported("NVMe namespaces count from 1", domain=ErrorDomain.DOMAIN)
    if source.address is None:
        yield "an NVMe source has no address"


def _credentials(disk: Disk) -> Iterator[VirloomError]:
    name, source = disk.target.dev, disk.source
    for what, inner, outer in (
        ("auth", source.auth, disk.auth),
        ("encryption", source.encryption, disk.encryption),
    ):
        if inner is not None and outer is not None:
            yield ConfigUnsupported(f"disk '{name}' has <{what}> twice", domain=ErrorDomain.DOMAIN)
    auth = source.auth or disk.auth
    if auth is not None:
        yield from _auth(name, source.protocol, auth)
    yield from _encryption(name, source.encryption or disk.encryption)


def check_auth(auth: Auth, whose: str) -> Iterator[VirloomError]:
    """What ``<auth>`` lacks.

    Args:
        whose: For the messages, as ``disk 'vda'``.
    """
    if not auth.username:
        yield XmlError(f"<auth> of {whose} has no user name", domain=ErrorDomain.STORAGE)
    if "secret" not in auth.__dict__:
        yield XmlError(f"<auth> of {whose} has no <secret>", domain=ErrorDomain.STORAGE)
    yield from _secret(whose, auth.secret)


def _auth(name: str | None, protocol: str | None, auth: Auth) -> Iterator[VirloomError]:
    yield from check_auth(auth, f"disk '{name}'")
    wanted, kind = _SECRET_OF_PROTOCOL.get(protocol or ""), auth.secret.type
    if kind not in SECRETS:
        yield ConfigUnsupported(
            f"disk '{name}': there are no secrets of type '{kind or ''}'; there are"
            f" {', '.join(SECRETS)}",
            domain=ErrorDomain.DOMAIN,
        )
    if wanted is not None and kind != wanted:
        yield ConfigUnsupported(
            f"disk '{name}': a secret for '{protocol}' is of type '{wanted}', not '{kind}'",
            domain=ErrorDomain.DOMAIN,
        )


def _secret(whose: str, secret: StorageSecret) -> Iterator[VirloomError]:
    if (secret.uuid is None) == (secret.usage is None):
        yield XmlError(
            f"a secret of {whose} is named by its uuid or its usage, and by one of them",
            domain=ErrorDomain.NONE,
        )


def _encryption(name: str | None, encryption: Encryption | None) -> Iterator[VirloomError]:
    if encryption is None:
        return
    if encryption.format is None:
        yield XmlError(f"<encryption> of disk '{name}' has no format", domain=ErrorDomain.STORAGE)
    if encryption.cipher is not None or encryption.ivgen is not None:
        yield ConfigUnsupported(
            f"<encryption> of disk '{name}' says neither cipher nor ivgen: the image does",
            domain=ErrorDomain.DOMAIN,
        )
    for secret in encryption.secrets:
        yield from _passphrase(f"disk '{name}'", secret)


def _helper(name: str | None, source: DiskSource) -> Iterator[VirloomError]:
    """What a helper for reservations, which somebody else runs, is reached by."""
    if source.reservations is None or not source.reservations.source.__dict__:
        return
    socket = source.reservations.source
    for what, wrong in (
        (f"a source of type 'unix', not '{socket.type}'", socket.type not in (None, "unix")),
        ("a source with a path", not socket.path),
        (f"a source of mode 'client', not '{socket.mode or ''}'", socket.mode != "client"),
    ):
        if wrong:
            yield XmlError(
                f"<reservations> of disk '{name}' have {what}", domain=ErrorDomain.STORAGE
            )


def _passphrase(whose: str, secret: StorageSecret) -> Iterator[VirloomError]:
    if secret.type != "passphrase":
        error = ConfigUnsupported if secret.type else XmlError
        yield error(
            f"a secret of the <encryption> of {whose} is of type 'passphrase', not"
            f" '{secret.type or ''}'",
            domain=ErrorDomain.STORAGE,
        )
    yield from _secret(whose, secret)


def check_source(disk: Disk) -> Iterator[str]:
    """What QEMU cannot do of a completed source, as messages of unsupported configurations."""
    source = disk.source
    if disk.type == "network" and source.protocol in _NOT_SERVED[:1]:
        yield f"protocol '{source.protocol}' is none that QEMU has"
    yield from _qemu_encryption(disk)
    yield from _image_format(disk)
    yield from _qemu_backing(disk.backing_store)


def _qemu_backing(store: BackingStore | None) -> Iterator[str]:
    """What QEMU cannot do of the images that a disk is laid over."""
    while store is not None and store.type is not None:
        source = store.source
        if store.type == "network" and source.protocol in _NOT_SERVED[:1]:
            yield f"protocol '{source.protocol}' of a backing image is none that QEMU has"
        if source.encryption is not None and source.encryption.format in _GONE:
            yield "the old encryption of qcow images is gone, that of a backing image too"
        if store.type == "dir" and store.format.type != "fat":
            yield "a directory that is a backing image has format 'fat'"
        store = store.backing_store


def _qemu_encryption(disk: Disk) -> Iterator[str]:
    encryption = disk.source.encryption or disk.encryption
    if encryption is None:
        return
    if encryption.format in _GONE:
        yield "the old encryption of qcow images is gone"
    if encryption.engine == "librbd":
        if disk.source.protocol != "rbd":
            yield "encryption by librbd is for RBD images"
    elif encryption.format not in (None, "luks"):
        yield f"encryption format '{encryption.format}' is not one of QEMU's own"


def _image_format(disk: Disk) -> Iterator[str]:
    form = disk.driver.type
    if disk.type == "dir":
        if form != "fat":
            yield "a directory has format 'fat'"
        elif not disk.readonly:
            yield "a directory that is shown as a file system is read-only"
    elif form in _FORMATS_OF_IMAGES_ONLY:
        yield f"format '{form}' is not one of QEMU's; raw may do"
    elif form == "fat":
        yield "format 'fat' is for directories"
    if form != "qcow2" and disk.driver.metadata_cache.max_size is not None:
        yield "only qcow2 images have a metadata cache"
