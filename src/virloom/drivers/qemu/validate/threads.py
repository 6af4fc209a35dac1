# SPDX-License-Identifier: Apache-2.0
"""Checks of vCPUs one by one and of threads for input and output."""

from __future__ import annotations

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import DefaultIoThread, Domain, IoThread, Vcpus


def check_given_threads(dom: Domain) -> None:
    """Numbers and switches as the document has them."""
    _given_vcpus(dom)
    seen: set[int] = set()
    for thread in dom.iothreadids.iothreads:
        if thread.id in seen:
            raise XmlError(f"I/O thread {thread.id} is declared twice", domain=ErrorDomain.DOMAIN)
        seen.add(thread.id or 0)
        _pool(thread, f"I/O thread {thread.id}")
    _pool(dom.defaultiothread, "<defaultiothread>")
    iothread_ids(dom)


def _given_vcpus(dom: Domain) -> None:
    count = dom.vcpu.value or 1
    for vcpu in dom.vcpus.vcpus if dom.vcpus is not None else ():
        if vcpu.id is not None and vcpu.id >= count:
            raise XmlError(
                f"there is no vCPU {vcpu.id}; domain '{dom.name}' has {count}",
                domain=ErrorDomain.DOMAIN,
            )
        if vcpu.enabled is False and vcpu.hotpluggable is False:
            raise ConfigUnsupported(
                f"vCPU {vcpu.id} is absent and cannot be plugged in",
                domain=ErrorDomain.DOMAIN if vcpu.id else ErrorDomain.QEMU,
            )


def _pool(thread: IoThread | DefaultIoThread, what: str) -> None:
    low, high = thread.thread_pool_min, thread.thread_pool_max
    if high == 0:
        raise ConfigUnsupported(f"{what}: thread_pool_max cannot be 0", domain=ErrorDomain.DOMAIN)
    if (
        low is not None
        and low > (high if high is not None else -1)
        and (high is not None or isinstance(thread, DefaultIoThread))
    ):
        raise ConfigUnsupported(
            f"{what}: thread_pool_min {low} is more than thread_pool_max {high}",
            domain=ErrorDomain.DOMAIN,
        )


def check_threads(dom: Domain) -> None:
    """That the first vCPU is there for good, and that all present ones have an order or none."""
    wrong = "vCPU 0 cannot be absent" if dom.vcpu.current == 0 else ""
    if dom.vcpus is not None:
        wrong = wrong or _individual(dom.vcpus)
    if wrong:
        raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def _individual(vcpus: Vcpus) -> str:
    first = vcpus.vcpus[0]
    if not first.enabled:
        return "vCPU 0 cannot be absent"
    if first.hotpluggable:
        return "vCPU 0 cannot be unplugged"
    if len({v.order is None for v in vcpus.vcpus if v.enabled}) > 1:
        return "either all present vCPUs have an order or none"
    return ""
