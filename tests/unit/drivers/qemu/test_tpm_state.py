# SPDX-License-Identifier: Apache-2.0
"""Which TPM's keys outlive the guest's definition."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.process.tpm import emulated_tpm, keeps_state
from virloom.enums.domain import DomainUndefineFlagsValues
from virloom.model.domain import Domain, Tpm, TpmBackend

TPM, KEEP = DomainUndefineFlagsValues.TPM, DomainUndefineFlagsValues.KEEP_TPM


@pytest.mark.parametrize(
    ("persistent", "flags", "kept"),
    [
        (None, 0, False),
        (None, KEEP, True),
        (False, TPM, False),
        (True, 0, True),
        (True, TPM, False),
        (True, KEEP, True),
    ],
)
def test_the_document_says_and_the_caller_decides(
    persistent: bool | None, flags: int, kept: bool
) -> None:
    tpm = Tpm(backend=TpmBackend(type="emulator", persistent_state=persistent))
    assert keeps_state(tpm, flags) is kept


def test_only_an_emulated_module_has_a_state_of_ours() -> None:
    dom = Domain()
    dom.devices.tpms.append(Tpm(backend=TpmBackend(type="passthrough")))
    assert emulated_tpm(dom) is None
    assert not keeps_state(None, 0)
    dom.devices.tpms.append(Tpm(backend=TpmBackend(type="emulator")))
    assert emulated_tpm(dom) is dom.devices.tpms[1]
