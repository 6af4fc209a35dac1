# SPDX-License-Identifier: Apache-2.0
"""Guests of other processors come out of a definition as libvirt 9's do, and with its options."""

from __future__ import annotations

import os

import pytest

from tools.parity import reference, virloom_side
from tools.parity.compare import compare
from tools.parity.documents import written

#: One subject each; the rest of the corpus is for ``make parity``.
SUBJECTS = ("bare", "console", "consoles", "disk", "graphics", "mixed", "net", "scsi", "usb-none")
ARCHITECTURES = ("aarch64", "ppc64", "riscv64", "s390x")
NAMES = [f"arch-{arch}/{subject}" for arch in ARCHITECTURES for subject in SUBJECTS]


@pytest.mark.parity
@pytest.mark.skipif(os.geteuid() != 0, reason="libvirt's embedded driver wants root here")
@pytest.mark.timeout(300)
def test_same_machine_same_options() -> None:
    documents = {name: text for name, text in written().items() if name in NAMES}
    assert len(documents) == len(NAMES)
    theirs = reference.answers(documents)
    ours = virloom_side.answers(documents)
    different = [
        result
        for name, text in documents.items()
        if (result := compare(name, text, theirs[name], ours[name])).causes
    ]
    assert different == []
    # The comparison is worth something only while libvirt accepts them.
    assert all(theirs[name].accepted for name in NAMES)
