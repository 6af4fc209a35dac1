# SPDX-License-Identifier: Apache-2.0
"""``<vcpu>``, ``<vcpus>`` and ``<iothreads>``: the guest's threads."""

from __future__ import annotations

from virloom.model.cpuset import NUMBERS
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, content
from virloom.xml.kinds import UINT, UINT_OWNED, UINT_POSITIVE, YES_NO, choice


class Vcpu(Element):
    """``<vcpu placement='static' cpuset='0-3' current='1'>2</vcpu>``."""

    placement: str | None = attribute(choice("static", "auto"))
    cpuset: str | None = attribute(NUMBERS)
    current: int | None = attribute(UINT)
    value: int | None = content(UINT_OWNED)


class SingleVcpu(Element):
    """``<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>``."""

    id: int | None = attribute(UINT, required=True)
    enabled: bool | None = attribute(YES_NO, required=True)
    hotpluggable: bool | None = attribute(YES_NO)
    order: int | None = attribute(UINT)


class Vcpus(Element):
    """``<vcpus>``: vCPUs one by one."""

    vcpus: list[SingleVcpu] = children(SingleVcpu, "vcpu")


class IoThread(Element):
    """``<iothread id='2' thread_pool_min='1' thread_pool_max='8'/>``."""

    id: int | None = attribute(UINT_POSITIVE, required=True)
    thread_pool_min: int | None = attribute(UINT)
    thread_pool_max: int | None = attribute(UINT)


class IoThreadIds(Element):
    """``<iothreadids>``: threads for input and output whose numbers are given."""

    iothreads: list[IoThread] = children(IoThread, "iothread")


class DefaultIoThread(Element):
    """``<defaultiothread thread_pool_max='16'/>``: QEMU's main loop."""

    thread_pool_min: int | None = attribute(UINT)
    thread_pool_max: int | None = attribute(UINT)
