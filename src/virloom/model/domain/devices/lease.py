# SPDX-License-Identifier: Apache-2.0
"""``<lease>``: a lock that the guest holds while it runs."""

from __future__ import annotations

from virloom.model.domain.base import DomainElement
from virloom.xml.element import Element
from virloom.xml.fields import attribute, group, leaf
from virloom.xml.kinds import STRING, ULONG


class LeaseTarget(Element):
    """``<target path='…' offset='1024'/>``: where the lock is kept."""

    path: str | None = attribute(STRING)
    offset: int | None = attribute(ULONG)


class Lease(DomainElement):
    """``<lease>``."""

    tag = "lease"
    schema_path = "domain/devices/lease"

    lockspace: str | None = leaf(STRING)
    key: str | None = leaf(STRING)
    target: LeaseTarget = group(LeaseTarget)
