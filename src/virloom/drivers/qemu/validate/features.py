# SPDX-License-Identifier: Apache-2.0
"""Checks of ``<features>``."""

from __future__ import annotations

from virloom.drivers.qemu.devices.boards import is_arm, is_virt
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Domain, Hyperv, Kvm

_MEBIBYTE = 1024 * 1024
_LEAST_RETRIES = 4095
_LONGEST_VENDOR = 12
_RING_SIZES = frozenset(1 << power for power in range(10, 17))
#: What only pSeries machines have.
_PSERIES = ("hpt", "htm", "nested_hv", "ccf_assist", "cfpc", "sbbc", "ibs")


def check_given_features(dom: Domain) -> None:
    """Values within the enlightenments of Hyper-V and of KVM."""
    if dom.features.hyperv is not None:
        _hyperv(dom.features.hyperv)
    if dom.features.kvm is not None:
        _kvm(dom.features.kvm)


def _hyperv(hyperv: Hyperv) -> None:
    spinlocks, vendor = hyperv.spinlocks, hyperv.vendor_id
    if spinlocks is not None and spinlocks.state:
        if spinlocks.retries is None:
            raise XmlError("<spinlocks> has no retries", domain=ErrorDomain.XML)
        if spinlocks.retries < _LEAST_RETRIES:
            raise XmlError(
                f"{spinlocks.retries} retries of <spinlocks> are fewer than {_LEAST_RETRIES}",
                domain=ErrorDomain.DOMAIN,
            )
    if vendor is not None and vendor.state:
        value = vendor.value or ""
        if not value or len(value) > _LONGEST_VENDOR or "," in value:
            raise XmlError(
                f"<vendor_id> has '{value[:80]}', not 1 to {_LONGEST_VENDOR} characters "
                "without a comma",
                domain=ErrorDomain.DOMAIN,
            )


def _kvm(kvm: Kvm) -> None:
    ring = kvm.dirty_ring
    if ring is None or not ring.state:
        return
    if ring.size is None:
        raise XmlError("<dirty-ring> has no size", domain=ErrorDomain.XML)
    if ring.size not in _RING_SIZES:
        raise XmlError(
            f"<dirty-ring> of {ring.size} is no power of 2 from 1024 to 65536",
            domain=ErrorDomain.DOMAIN,
        )


def check_features(dom: Domain) -> None:
    """What the architecture, the machine and the accelerator do not have."""
    features, kind = dom.features, dom.os.type
    machine = kind.machine or ""
    wrong = ""
    foreign = [name for name in _PSERIES if getattr(features, name) is not None]
    if features.gic is not None and not (is_arm(dom) and is_virt(dom)):
        wrong = f"'gic' is of ARM's virt machines, not of '{machine}' ({kind.arch})"
    elif foreign and not machine.startswith("pseries"):
        wrong = f"'{foreign[0].replace('_', '-')}' is of pSeries machines, not of '{machine}'"
    elif features.tcg.tb_cache and dom.type == "kvm":
        wrong = "<tcg> is of guests without KVM"
    elif features.tcg.tb_cache and features.tcg.tb_cache % 1024:
        wrong = "<tb-cache> is a whole number of MiB"
    elif features.smm is not None and (features.smm.tseg or 0) % _MEBIBYTE:
        wrong = "<tseg> is a whole number of MiB"
    if wrong:
        raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)
