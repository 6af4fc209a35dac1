# SPDX-License-Identifier: Apache-2.0
"""What QEMU says of disks that failed, and flags that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.drivers.qemu.handlers.lifecycle import check_flags
from virloom.drivers.qemu.handlers.settings import disk_errors
from virloom.endpoint.dispatch import Call
from virloom.endpoint.identity import Identity
from virloom.endpoint.session import Session
from virloom.enums.domain import DomainDiskErrorCode, DomainModificationImpact
from virloom.errors import InvalidArg
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.xml import parse_document

MODEL = parse_document(
    Domain,
    """
    <domain type='qemu'><name>web</name>
      <devices>
        <disk type='file'><target dev='vda'/><alias name='virtio-disk0'/></disk>
        <disk type='file'><target dev='vdb'/><alias name='virtio-disk1'/></disk>
        <disk type='file'><target dev='sda'/><alias name='scsi0-0-0-0'/></disk>
        <disk type='file'><target dev='hda'/><alias name='ide0-0-0'/></disk>
      </devices>
    </domain>
    """,
)


def test_disks_that_failed() -> None:
    answer: list[dict[str, Any]] = [
        {"qdev": "/machine/peripheral/virtio-disk0/virtio-backend", "io-status": "ok"},
        {"qdev": "/machine/peripheral/virtio-disk1/virtio-backend", "io-status": "nospace"},
        {"qdev": "scsi0-0-0-0", "io-status": "failed"},
        {"qdev": "ide0-0-0"},
        {"device": "floppy0", "io-status": "failed"},
    ]
    assert disk_errors(MODEL, answer) == [
        p.DomainDiskError("vdb", int(DomainDiskErrorCode.NO_SPACE)),
        p.DomainDiskError("sda", int(DomainDiskErrorCode.UNSPEC)),
    ]


@pytest.fixture
def call() -> Call:
    return Call(
        Session(Identity(), lambda procedure, message, encoded: None), p.DOMAIN_GET_METADATA
    )


def test_flags_that_no_enumeration_has(call: Call) -> None:
    """The complement of an IntFlag has only the bits of its members."""
    known = DomainModificationImpact.LIVE | DomainModificationImpact.CONFIG
    check_flags(call, 3, known)
    for flags in (4, 8, 1 << 31):
        with pytest.raises(InvalidArg, match=f"{flags:#x}"):
            check_flags(call, flags | 1, known)
