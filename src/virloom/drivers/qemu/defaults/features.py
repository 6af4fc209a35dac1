# SPDX-License-Identifier: Apache-2.0
"""Defaults of ``<features>``, and what of them says nothing."""

from __future__ import annotations

from virloom.drivers.qemu.devices.boards import is_arm, is_virt
from virloom.model.domain import Capabilities, Domain, Features, Gic, Hyperv, Kvm


def fill_features(features: Features) -> None:
    """A switch without a state is on; what is off needs no details."""
    switches = (
        features.hap,
        features.pvspinlock,
        features.pmu,
        features.vmport,
        features.smm,
        features.vmcoreinfo,
    )
    for switch in switches:
        if switch is not None and switch.state is None:
            switch.state = True
    if features.smm is not None and features.smm.state is False:
        features.smm.tseg = None
    if features.ioapic is not None and features.ioapic.driver is None:
        features.ioapic = None
    hpt = features.hpt
    if hpt is not None and hpt.resizing is None and hpt.maxpagesize is None:
        features.hpt = None
    features.tcg.tb_cache = features.tcg.tb_cache or None
    if features.hyperv is not None:
        _fill_hyperv(features.hyperv)
    if features.kvm is not None:
        _fill_kvm(features.kvm)
    if features.xen is not None and features.xen.passthrough is not None:
        passthrough = features.xen.passthrough
        passthrough.mode = passthrough.mode if passthrough.state else None
    _fill_capabilities(features)


def fill_interrupts(dom: Domain) -> None:
    """ARM's interrupt controller: the one that QEMU emulates best, where none is named."""
    if not (is_arm(dom) and is_virt(dom)):
        return
    gic = dom.features.gic = dom.features.gic or Gic()
    gic.version = gic.version or "2"


def _fill_hyperv(hyperv: Hyperv) -> None:
    hyperv.mode = hyperv.mode or "custom"
    if hyperv.spinlocks is not None and not hyperv.spinlocks.state:
        hyperv.spinlocks.retries = None
    if hyperv.vendor_id is not None and not hyperv.vendor_id.state:
        hyperv.vendor_id.value = None
    stimer = hyperv.stimer
    if stimer is not None and stimer.direct is not None and not stimer.direct.state:
        stimer.direct = None


def _fill_kvm(kvm: Kvm) -> None:
    if kvm.dirty_ring is not None and not kvm.dirty_ring.state:
        kvm.dirty_ring.size = None


def _fill_capabilities(features: Features) -> None:
    wanted = features.capabilities
    names = [field.python for field in Capabilities._child_order]
    given = [found for name in names if (found := getattr(wanted, name)) is not None]
    for capability in given:
        if capability.state is None:
            capability.state = True
    if not given and wanted.policy in (None, "default"):
        features.capabilities = Capabilities()
    else:
        wanted.policy = wanted.policy or "default"
