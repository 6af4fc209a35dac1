# SPDX-License-Identifier: Apache-2.0
"""Defaults of network interfaces."""

from __future__ import annotations

import os
import uuid

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.address import is_microvm
from virloom.drivers.qemu.devices.boards import is_ccw, is_virt
from virloom.drivers.qemu.devices.passed import becomes_function
from virloom.drivers.runtime.filter_parameters import usable
from virloom.drivers.runtime.traffic_rules import complete_vlan
from virloom.model.domain import Domain, Interface, InterfaceDriver, VirtualPort
from virloom.model.traffic import Rate
from virloom.xml import holds

_COALESCED = ("network", "bridge")
_FILTERED = ("network", "bridge", "ethernet")


def fill_interfaces(dom: Domain, caps: BinaryCaps) -> None:
    """MAC address and model of each interface."""
    for interface in dom.devices.interfaces:
        interface.type = interface.type or "user"
        if interface.mac.address is None:
            interface.mac.address = generated_mac()
        else:
            interface.mac.address = interface.mac.address.lower()
        interface.model.type = interface.model.type or None
        if interface.model.type is None and not becomes_function(interface):
            interface.model.type = _model(dom, caps)
        _fill(interface)


def _fill(interface: Interface) -> None:
    """What belongs to other types goes, and what a type implies is said."""
    kind, source = interface.type, interface.source
    for ip in (*interface.ips, *source.ips):
        if ip.family is None and ip.address is not None:
            ip.family = "ipv6" if ":" in ip.address else "ipv4"
    forget_empty(interface)
    if kind == "direct" and source.mode is None:
        source.mode = "vepa"
    if kind == "ethernet" or (kind == "user" and interface.backend.type != "passt"):
        source.dev = None
    if kind not in _FILTERED or (
        interface.filterref is not None and not interface.filterref.filter
    ):
        interface.filterref = None
    if not (interface.model.type or "").startswith("virtio"):
        interface.driver = InterfaceDriver(
            name=interface.driver.name if kind == "hostdev" else None
        )
    complete_vlan(interface.vlan)
    if interface.virtualport is not None:
        _identify(interface.virtualport)


def forget_empty(interface: Interface) -> None:
    """Forgets what says nothing, whoever drives the guest."""
    interface.managed = (interface.managed or None) if interface.type == "hostdev" else None
    interface.mtu.size = interface.mtu.size or None
    coalesce = interface.coalesce
    if coalesce is not None and not coalesce.rx.frames.max and interface.type in _COALESCED:
        interface.coalesce = None  # elsewhere it is refused, however many frames it says
    bandwidth = interface.bandwidth
    for rate in (bandwidth.inbound, bandwidth.outbound) if bandwidth is not None else ():
        if rate is not None:
            rate.peak, rate.burst = rate.peak or None, rate.burst or None
            rate.floor = rate.floor or None
    if bandwidth is not None:
        bandwidth.inbound = _limiting(bandwidth.inbound)
        bandwidth.outbound = _limiting(bandwidth.outbound)
        if not holds(bandwidth):
            interface.bandwidth = None
    if interface.filterref is not None:
        interface.filterref.parameters = usable(interface.filterref.parameters)


def _limiting(rate: Rate | None) -> Rate | None:
    """The rate of one direction, unless it is no limit."""
    return rate if rate is not None and (rate.average or rate.floor) else None


def _identify(port: VirtualPort) -> None:
    """A port that the switch has to know by a name gets one."""
    parameters = port.parameters
    if port.type == "openvswitch" and parameters.interfaceid is None:
        parameters.interfaceid = str(uuid.uuid4())
    elif port.type is None:
        parameters.interfaceid = parameters.interfaceid or str(uuid.uuid4())
        parameters.instanceid = parameters.instanceid or str(uuid.uuid4())


def generated_mac() -> str:
    """A random address in QEMU's range, as libvirt takes it (``52:54:00``)."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in os.urandom(3))


def _model(dom: Domain, caps: BinaryCaps) -> str:
    if is_microvm(dom.os.type.machine) or is_ccw(dom) or is_virt(dom):
        return "virtio"
    for model in ("rtl8139", "e1000"):
        if caps.may_have_device(model):
            return model
    return "virtio"
