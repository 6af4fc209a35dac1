# SPDX-License-Identifier: Apache-2.0
"""What of Hyper-V and KVM the processor shows to guests that know them."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import BARE
from virloom.model.domain import Domain, Hyperv, Kvm

_PLAIN = (
    "relaxed",
    "vapic",
    "spinlocks",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "vendor_id",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
    "avic",
)


def hypervisor_pairs(dom: Domain) -> list[tuple[str, object]]:
    """Properties of the processor, in libvirt's order."""
    pairs: list[tuple[str, object]] = []
    if dom.features.hyperv is not None:
        pairs += _hyperv(dom.features.hyperv)
    if any(panic.model == "hyperv" for panic in dom.devices.panics):
        pairs.append(("hv-crash", BARE))
    if dom.features.kvm is not None:
        pairs += _kvm(dom.features.kvm)
    return pairs


def _hyperv(hyperv: Hyperv) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    if hyperv.mode == "passthrough":
        pairs.append(("hv-passthrough", True))
    for name in _PLAIN:
        found = getattr(hyperv, name)
        if found is None or not found.state:
            continue
        value: object = True
        if name == "spinlocks":
            value = f"0x{found.retries or 0:x}"
        elif name == "vendor_id":
            value = found.value
        pairs.append((f"hv-{name.replace('_', '-')}", value))
        if name == "stimer" and found.direct is not None and found.direct.state:
            pairs.append(("hv-stimer-direct", True))
    return pairs


def _kvm(kvm: Kvm) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    if kvm.hidden is not None and kvm.hidden.state:
        pairs.append(("kvm", False))
    if kvm.hint_dedicated is not None and kvm.hint_dedicated.state:
        pairs.append(("kvm-hint-dedicated", True))
    if kvm.poll_control is not None and kvm.poll_control.state:
        pairs.append(("kvm-poll-control", True))
    if kvm.pv_ipi is not None and kvm.pv_ipi.state is False:
        pairs.append(("kvm-pv-ipi", False))
    return pairs
