# SPDX-License-Identifier: Apache-2.0
"""How findings are judged and shown."""

from __future__ import annotations

from virloom.cli.commands.doctor import as_text, runs_guests, verdict
from virloom.cli.findings.finding import Finding

QEMU = Finding("QEMU", "x86_64", True, "/usr/bin/qemu-system-x86_64, version 7.2.22")
NO_QEMU = Finding("QEMU", "x86_64", False, "not installed", "apt install it", required=True)
TCG = Finding("accelerators", "tcg", True, "emulation")
NO_KVM = Finding("accelerators", "kvm", False, "no '/dev/kvm'", "load kvm")


def test_guests_run_without_what_is_optional() -> None:
    assert runs_guests([QEMU, NO_KVM, TCG])
    assert verdict([QEMU, NO_KVM, TCG]) == "Guests run here, by tcg."


def test_no_guest_runs_without_what_is_required() -> None:
    assert not runs_guests([NO_QEMU, TCG])
    assert verdict([NO_QEMU, TCG]) == "No guest runs here: x86_64."


def test_no_guest_runs_without_an_accelerator() -> None:
    assert not runs_guests([QEMU, NO_KVM])
    assert verdict([QEMU, NO_KVM]) == "No guest runs here: no accelerator works."


def test_remedies_stand_below_what_is_missing() -> None:
    assert as_text([QEMU, NO_QEMU, NO_KVM]).splitlines() == [
        "QEMU",
        "  ok  x86_64  /usr/bin/qemu-system-x86_64, version 7.2.22",
        "  NO  x86_64  not installed",
        "              -> apt install it",
        "accelerators",
        "  --  kvm     no '/dev/kvm'",
        "              -> load kvm",
    ]
