# SPDX-License-Identifier: Apache-2.0
"""82 documents of volumes, made by libvirtd 9 and by ours, with what ``qemu-img`` was told."""

from __future__ import annotations

import pytest

from tests.interop import documents_compared
from tests.interop.reference import needs_libvirtd


@pytest.mark.long
@needs_libvirtd[0]
@needs_libvirtd[1]
def test_each_document_of_a_volume() -> None:
    reference = documents_compared.theirs(documents_compared.volumes)
    assert len(reference) >= 80
    assert documents_compared.ours(documents_compared.volumes) == reference
