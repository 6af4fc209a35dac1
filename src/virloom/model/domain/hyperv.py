# SPDX-License-Identifier: Apache-2.0
"""``<hyperv>`` and ``<kvm>``: what the hypervisor offers to guests that know it."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, child
from virloom.xml.kinds import ON_OFF, STRING, UINT, choice


class Enlightenment(Element):
    """``<relaxed state='on'/>``."""

    state: bool | None = attribute(ON_OFF, required=True)


class Spinlocks(Enlightenment):
    """``<spinlocks state='on' retries='8191'/>``."""

    retries: int | None = attribute(UINT)


class VendorId(Enlightenment):
    """``<vendor_id state='on' value='KVM Hv'/>``."""

    value: str | None = attribute(STRING)


class Stimer(Enlightenment):
    """``<stimer state='on'><direct state='on'/></stimer>``."""

    closed = "no feature of a synthetic timer that we know"
    direct: Enlightenment | None = child(Enlightenment)


class Hyperv(Element):
    """``<hyperv mode='custom'>``."""

    closed = "no enlightenment of Hyper-V that we know"
    empty = "lines"
    mode: str | None = attribute(choice("custom", "passthrough"))
    relaxed: Enlightenment | None = child(Enlightenment)
    vapic: Enlightenment | None = child(Enlightenment)
    spinlocks: Spinlocks | None = child(Spinlocks)
    vpindex: Enlightenment | None = child(Enlightenment)
    runtime: Enlightenment | None = child(Enlightenment)
    synic: Enlightenment | None = child(Enlightenment)
    stimer: Stimer | None = child(Stimer)
    reset: Enlightenment | None = child(Enlightenment)
    vendor_id: VendorId | None = child(VendorId)
    frequencies: Enlightenment | None = child(Enlightenment)
    reenlightenment: Enlightenment | None = child(Enlightenment)
    tlbflush: Enlightenment | None = child(Enlightenment)
    ipi: Enlightenment | None = child(Enlightenment)
    evmcs: Enlightenment | None = child(Enlightenment)
    avic: Enlightenment | None = child(Enlightenment)


class DirtyRing(Enlightenment):
    """``<dirty-ring state='on' size='4096'/>``."""

    size: int | None = attribute(UINT)


class Kvm(Element):
    """``<kvm>``."""

    closed = "no feature of KVM that we know"
    empty = "lines"
    hidden: Enlightenment | None = child(Enlightenment)
    hint_dedicated: Enlightenment | None = child(Enlightenment, "hint-dedicated")
    poll_control: Enlightenment | None = child(Enlightenment, "poll-control")
    pv_ipi: Enlightenment | None = child(Enlightenment, "pv-ipi")
    dirty_ring: DirtyRing | None = child(DirtyRing, "dirty-ring")
