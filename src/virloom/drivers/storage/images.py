# SPDX-License-Identifier: Apache-2.0
"""How ``qemu-img`` is told to open an image: all of its chain is spelled out beforehand.

Left to itself it would open whatever the images name, in whatever format they claim. Here each
backing image is opened in the format that the image above it records, raw where it records none.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from virloom.drivers.runtime.image import qcow2_backing, read_head
from virloom.drivers.storage.names import can_be_told
from virloom.drivers.storage.probe import probe
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    StorageProbeFailed,
    system_failure,
)

_DOMAIN = ErrorDomain.STORAGE
#: Images that one may be laid over; libvirt's own limit is 200.
_MOST = 200


def image_options(
    path: str,
    image_format: str,
    holds: Callable[[str], bool],
    *,
    encryption: str | None = None,
    key: str = "",
) -> dict[str, Any]:
    """The node that QEMU is to make of an image; by a thread.

    Args:
        holds: Whether a pool has the file at a path: others are not opened, whoever names them.
        encryption: The way in which the image itself is encrypted; what is below it is not.
        key: QEMU's name of its passphrase.

    Raises:
        ConfigUnsupported: An image is of a format that is not opened here, names something that is
            no file or no pool's, or has its data elsewhere.
        OperationInvalid: The chain comes back to itself, or is too long.
        StorageProbeFailed: A header is damaged.
        SystemFailure: A file cannot be read.
    """
    nodes: list[dict[str, Any]] = []
    seen: set[tuple[int, int]] = set()
    following: str | None = image_format
    while following is not None:
        head = read_head(path)
        if head.identity in seen or len(nodes) == _MOST:
            raise OperationInvalid(f"the images behind '{path}' have no end", domain=_DOMAIN)
        seen.add(head.identity)
        driver = "host_device" if head.block else "file"
        nodes.append({"driver": following, "file": {"driver": driver, "filename": path}})
        if following == "raw":
            break
        nodes[-1]["backing"] = None  # whatever its header says by then
        if following != "qcow2":
            raise ConfigUnsupported(
                f"'{path}' is of format '{following}', which is not opened here", domain=_DOMAIN
            )
        backing = qcow2_backing(head, path)
        if backing is None:
            break
        above, path = path, _beside(path, backing.reference)
        if not holds(path):
            raise ConfigUnsupported(
                f"'{above}' is laid over '{path[:200]}', which is in no active pool",
                domain=_DOMAIN, remedy="start a pool on its directory",
            )  # fmt: skip
        following = backing.format or "raw"
    for upper, lower in pairwise(nodes):
        upper["backing"] = lower
    if encryption is not None:
        _decrypt(nodes[0], encryption, key)
    return nodes[0]


def _decrypt(node: dict[str, Any], encryption: str, key: str) -> None:
    """Has QEMU see what is in an encrypted image."""
    if node["driver"] == "raw":
        node |= {"driver": encryption, "key-secret": key}
    else:
        node["encrypt"] = {"format": encryption, "key-secret": key}


def check_backing(path: str, reference: str, image_format: str) -> int:
    """Checks that a new image at *path* may be laid over *reference*: by headers, all the way down.

    Nothing of their content gets to anybody by that, so they may be anywhere.

    Returns:
        Bytes that a guest sees of it.

    Raises:
        SystemFailure: There is no such file, or it cannot be read.
        InternalError: It is not of that format, or what it is laid over itself is nothing that is
            opened here (libvirt's code, which it gets from ``qemu-img``).
    """
    place = os.path.join(os.path.dirname(path), reference)
    try:
        os.stat(place)
    except (OSError, ValueError) as exc:
        error = exc if isinstance(exc, OSError) else OSError(errno.EINVAL, str(exc))
        raise system_failure(
            f"inaccessible backing store volume {reference}", error, domain=_DOMAIN
        ) from exc
    try:
        image_options(os.path.normpath(place), image_format, lambda path: True)
        return _guest_size(place, image_format)
    except (ConfigUnsupported, OperationInvalid, StorageProbeFailed) as exc:
        raise InternalError(
            f"'{reference}' cannot be a backing image: {exc.message}", domain=ErrorDomain.NONE
        ) from exc


def _guest_size(path: str, image_format: str) -> int:
    if image_format == "qcow2":
        return probe(read_head(path), path).capacity or 0
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def names_protocol(reference: str) -> bool:
    """Whether an image names what QEMU would not open as a file: ``nbd:…``, ``json:…``."""
    before = reference.partition(":")[0] if ":" in reference else ""
    return bool(before) and "/" not in before


def _beside(parent: str, reference: str) -> str:
    """The file that an image names: a path, never a protocol."""
    if not can_be_told(reference):
        raise ConfigUnsupported(
            f"'{parent}' is laid over a file whose name is no text", domain=_DOMAIN
        )
    if names_protocol(reference):
        raise ConfigUnsupported(
            f"'{parent}' is laid over '{reference[:200]}', which is no file", domain=_DOMAIN
        )
    return os.path.normpath(os.path.join(os.path.dirname(parent), reference))
