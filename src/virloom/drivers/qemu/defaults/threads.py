# SPDX-License-Identifier: Apache-2.0
"""Defaults of vCPUs one by one and of threads for input and output."""

from __future__ import annotations

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.model.domain import Domain, IoThread, SingleVcpu


def fill_vcpus(dom: Domain) -> None:
    """Each vCPU of the guest, where the document tells them apart; how many are present."""
    if dom.vcpus is None:
        return
    if not dom.vcpus.vcpus:
        dom.vcpus = None
        return
    given = {vcpu.id: vcpu for vcpu in dom.vcpus.vcpus}
    count = dom.vcpu.value or 1
    vcpus = [given.get(number) or SingleVcpu(id=number, enabled=False) for number in range(count)]
    for vcpu in vcpus:
        vcpu.order = vcpu.order or None
        if vcpu.hotpluggable is None:
            vcpu.hotpluggable = not vcpu.enabled
    dom.vcpus.vcpus = vcpus
    present = sum(bool(vcpu.enabled) for vcpu in vcpus)
    dom.vcpu.current = present if present != count else None


def fill_iothreads(dom: Domain) -> None:
    """As many ids as threads, where any id is given; no count of none."""
    threads = dom.iothreadids.iothreads
    ids = iothread_ids(dom)
    dom.iothreads = len(ids) or None
    if threads:
        threads += [IoThread(id=number) for number in ids[len(threads) :]]
