# SPDX-License-Identifier: Apache-2.0
"""What pools and volumes say alike: amounts, permissions, times, formats, secrets."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, content, leaf
from virloom.xml.kinds import FILLED, STRING, ULONG, UUID


class Amount(Element):
    """``<capacity unit='bytes'>1024</capacity>``: a number, in the unit that stands beside it."""

    unit: str | None = attribute(STRING)
    value: int | None = content(ULONG)


class Permissions(Element):
    """``<permissions>``: the octal mode, and who owns it."""

    mode: str | None = leaf(STRING)
    owner: str | None = leaf(FILLED)
    group: str | None = leaf(FILLED)
    label: str | None = leaf(STRING)


class Timestamps(Element):
    """``<timestamps>``: seconds since the epoch, with nanoseconds behind the point."""

    atime: str | None = leaf(STRING)
    mtime: str | None = leaf(STRING)
    ctime: str | None = leaf(STRING)
    btime: str | None = leaf(STRING)


class Named(Element):
    """An element that is only a name: ``<vendor name='v'/>``."""

    name: str | None = attribute(STRING)


class FormatType(Element):
    """``<format type='qcow2'/>``."""

    type: str | None = attribute(STRING)


class SecretReference(Element):
    """``<secret type='passphrase' uuid='…'/>``: which secret, by UUID or usage."""

    type: str | None = attribute(STRING)
    usage: str | None = attribute(STRING)
    uuid: str | None = attribute(UUID)


class Auth(Element):
    """``<auth type='chap' username='u'>``."""

    type: str | None = attribute(STRING)
    username: str | None = attribute(STRING)
    secret: SecretReference | None = child(SecretReference)
