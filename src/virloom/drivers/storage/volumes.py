# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a volume of a pool: completed and checked, with libvirt's codes."""

from __future__ import annotations

import re

from virloom.drivers.storage.encryption import check_document
from virloom.drivers.storage.kinds import KINDS
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, VirloomError, XmlError
from virloom.model.storage import Pool, Volume
from virloom.model.storage.target import Amount, Permissions
from virloom.model.storage.volume import VolumeSource
from virloom.model.units import scaled
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.STORAGE
#: off_t ends there.
_LIMIT = (1 << 63) - 1
#: A number of a user or group, as strtol(3) reads all of a text.
_NUMBER = re.compile(r"\s*([+-]?\d+)\Z")
_BYTES = "bytes"


def parse_volume(
    pool: Pool, text: str, *, validate: bool = False, origin: Volume | None = None
) -> Volume:
    """The volume of *pool* that a document describes; its place is not known yet.

    Args:
        origin: The volume whose content it gets: what is not said of sizes follows it.

    Raises:
        XmlError: It is malformed, or lacks its name or its size.
        ConfigUnsupported: Such pools have no volumes of its format.
        InvalidArg, NumericOverflow: A size has no such unit, or is too large.
    """
    try:
        model = parse_document(Volume, text, validate=validate)
    except XmlError as exc:
        for what in ("capacity", "allocation"):
            if f"volume/{what}" in exc.message:
                raise XmlError(f"malformed {what} element", domain=_DOMAIN) from exc
        if "volume/@type" in exc.message:
            raise ConfigUnsupported("unknown volume type", domain=_DOMAIN) from exc
        raise
    if not model.name:
        raise XmlError("missing volume name element", domain=_DOMAIN)
    _fill_sizes(model, origin)
    _fill_format(model, pool)
    if model.target.features is not None and model.target.compat is None:
        model.target.compat = "1.1"  # the first version that has any
    compat = model.target.compat
    if compat is not None and re.fullmatch(r"\d+\.\d+", compat) is None:
        raise XmlError(f"'{compat}' is no version of a format", domain=_DOMAIN)
    if model.target.encryption is not None:
        check_document(model.target.encryption)
    check_permissions(model.target.permissions)
    model.type = "file"
    model.key = None
    model.source = VolumeSource()
    backing = model.backing_store
    if backing is not None and not backing.path:
        model.backing_store = None
    if model.backing_store is not None:
        check_permissions(model.backing_store.permissions)
    return model


def _fill_sizes(model: Volume, origin: Volume | None) -> None:
    if model.capacity.value is None:
        backing = model.backing_store
        if origin is None and (backing is None or not backing.path):
            raise XmlError("missing capacity element", domain=_DOMAIN)
        model.capacity = in_bytes(0)
    model.capacity = _in_bytes(model.capacity)
    given = model.allocation.value is not None
    if origin is not None:
        least = origin.capacity.value or 0
        model.capacity = in_bytes(max(model.capacity.value or 0, least))
        model.allocation = model.allocation if given else in_bytes(0)
        given = True
    model.allocation = in_bytes(
        _in_bytes(model.allocation).value or 0 if given else model.capacity.value or 0
    )
    model.physical = Amount()
    if not model.target.cluster_size.value:
        model.target.cluster_size = Amount()
    else:
        model.target.cluster_size = _in_bytes(model.target.cluster_size)
        model.target.cluster_size.unit = "B"


def _in_bytes(amount: Amount) -> Amount:
    try:
        return in_bytes(scaled(str(amount.value), amount.unit, default=1, limit=_LIMIT))
    except ValueError as exc:
        raise XmlError("malformed capacity element", domain=_DOMAIN) from exc
    except VirloomError as exc:
        exc.domain = ErrorDomain.NONE
        raise


def in_bytes(number: int) -> Amount:
    """An amount as libvirt shows it."""
    return Amount(unit=_BYTES, value=number)


def _fill_format(model: Volume, pool: Pool) -> None:
    formats = KINDS[pool.type or ""].volume_formats
    target, backing = model.target, model.backing_store
    if not formats:
        target.format.type = None
        return
    target.format.type = target.format.type or formats[0]
    given = [target.format.type]
    if backing is not None and backing.path:
        backing.format.type = backing.format.type or formats[0]
        given.append(backing.format.type)
    for name in given:
        if name not in formats or (name == "none" and formats[0] != name):
            raise ConfigUnsupported(f"unknown volume format type {name}", domain=_DOMAIN)


def check_permissions(permissions: Permissions) -> None:
    """Checks the octal mode, which gets libvirt's width, and the numbers of who owns it.

    Raises:
        XmlError: They are none.
    """
    mode = permissions.mode
    if mode is not None:
        if re.fullmatch(r"\s*\+?0*[0-7]{1,3}", mode) is None:
            raise XmlError("malformed octal mode", domain=_DOMAIN)
        permissions.mode = f"0{int(mode, 8):o}"
    permissions.owner = _number(permissions.owner, "owner")
    permissions.group = _number(permissions.group, "group")


def _number(text: str | None, what: str) -> str | None:
    """Of a user or a group; -1 leaves that to us."""
    if text is None:
        return None
    found = _NUMBER.match(text)
    if found is None or not -1 <= int(found[1]) < 1 << 32:
        raise XmlError(f"malformed {what} element", domain=_DOMAIN)
    return str(int(found[1]))
