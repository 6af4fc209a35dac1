# SPDX-License-Identifier: Apache-2.0
"""From a document to what ip(8) is to do: the same lines wherever they are run.

They stand in the stanzas of ifupdown, and are run as they are where a host has no configurator.
Nothing here needs a quote: :mod:`.validate` lets nothing pass that a shell would take amiss.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virloom.model.interface import Bond, Bridge, BridgePort, HostInterface, InterfaceVlan, Protocol

#: The kernel counts a bridge's delay in hundredths of a second.
_TICKS = 100
#: ``BR_MIN_FORWARD_DELAY`` of net/bridge/br_private_stp.h.
_LEAST_TICKS_STP = 2 * _TICKS
ANYWHERE = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
_WIDTHS = {"ipv4": 32, "ipv6": 128}


class Step(NamedTuple):
    """One thing for ip(8) to do.

    Attributes:
        words: The words behind ``ip``.
        makes: The device that it makes: left out where that is there already.
    """

    words: tuple[str, ...]
    makes: str | None = None

    @classmethod
    def of(cls, line: str, makes: str | None = None) -> Step:
        """The step of a line."""
        return cls(tuple(line.split()), makes)


def link_steps(model: HostInterface) -> list[Step]:
    """What makes the device and its parts, and has them up; addresses come after it."""
    return [*_making(model), *_settings(model), _up(model.name)]


def address_steps(model: HostInterface) -> list[Step]:
    """What gives the device its addresses and routes; those by DHCP are not among them."""
    steps: list[Step] = []
    for protocol in model.protocols:
        for address in addresses(protocol):
            steps.append(Step.of(f"address add {address} dev {model.name}"))
    for protocol in model.protocols:  # a way out needs its address first
        if protocol.route.gateway is not None:
            anywhere = ANYWHERE[protocol.family or "ipv4"]
            steps.append(
                Step.of(f"route add {anywhere} via {protocol.route.gateway} dev {model.name}")
            )
    return steps


def undoing_steps(model: HostInterface) -> list[Step]:
    """What takes the interface down, and away where it is not the hardware's.

    Each may fail: perhaps it is so already.
    """
    name = model.name
    if model.type == "ethernet":
        return [
            Step.of(f"address flush dev {name} scope global"),
            Step.of(f"link set dev {name} down"),
        ]
    steps = [Step.of(f"link set dev {name} down"), Step.of(f"link delete dev {name}")]
    for port in model.bridge.interfaces if model.bridge is not None else ():
        steps += _undoing_port(port)
    for part in model.bond.interfaces if model.bond is not None else ():
        steps.append(Step.of(f"link set dev {part.name} down"))
    return steps


def made_devices(model: HostInterface) -> list[str]:
    """The devices that are there because of the document, in the order in which they are made."""
    return [step.makes for step in link_steps(model) if step.makes is not None]


def addresses(protocol: Protocol) -> list[str]:
    """The addresses with their prefixes; one without prefix is of a host alone."""
    width = _WIDTHS[protocol.family or "ipv4"]
    return [f"{ip.address}/{width if ip.prefix is None else ip.prefix}" for ip in protocol.ips]


def delay_ticks(bridge: Bridge) -> int | None:
    """A bridge's delay in hundredths of a second.

    With spanning tree the kernel refuses less than two seconds; ``virsh iface-bridge`` asks for
    both, spanning tree and no delay, unless it is told otherwise.
    """
    if bridge.delay is None:
        return None
    return max(round(float(bridge.delay) * _TICKS), _LEAST_TICKS_STP if bridge.stp else 0)


def _undoing_port(port: BridgePort) -> Iterator[Step]:
    yield Step.of(f"link set dev {port.name} down")
    if port.type != "ethernet":
        yield Step.of(f"link delete dev {port.name}")
    for part in port.bond.interfaces if port.bond is not None else ():
        yield Step.of(f"link set dev {part.name} down")


def _making(model: HostInterface) -> Iterator[Step]:
    if model.bridge is not None:
        yield from _bridge(model.name or "", model.bridge)
    elif model.bond is not None:
        yield from _bond(model.name or "", model.bond)
    elif model.vlan is not None:
        yield from _vlan(model.name or "", model.vlan)


def _settings(model: HostInterface) -> Iterator[Step]:
    if model.mac.address is not None and model.type != "vlan":
        yield Step.of(f"link set dev {model.name} address {model.mac.address}")
    if model.mtu.size is not None:
        yield Step.of(f"link set dev {model.name} mtu {model.mtu.size}")


def _bridge(name: str, bridge: Bridge) -> Iterator[Step]:
    line = f"link add name {name} type bridge stp_state {int(bool(bridge.stp))}"
    delay = delay_ticks(bridge)
    if delay is not None:
        line += f" forward_delay {delay}"
    yield Step.of(line, makes=name)
    for port in bridge.interfaces:
        yield from _port(port, name)


def _port(port: BridgePort, bridge: str) -> Iterator[Step]:
    if port.vlan is not None and port.type == "vlan":
        yield from _vlan(port.name or "", port.vlan)
    elif port.bond is not None and port.type == "bond":
        yield from _bond(port.name or "", port.bond)
    if port.mac.address is not None and port.type == "ethernet":
        yield Step.of(f"link set dev {port.name} address {port.mac.address}")
    yield Step.of(f"link set dev {port.name} master {bridge}")
    yield _up(port.name)


def _bond(name: str, bond: Bond) -> Iterator[Step]:
    words = ["link add name", name, "type bond"]
    words += [f"{key} {value}" for key, value in bond_options(bond)]
    yield Step.of(" ".join(words), makes=name)
    for part in bond.interfaces:  # the kernel takes only what is down
        yield Step.of(f"link set dev {part.name} down")
        yield Step.of(f"link set dev {part.name} master {name}")


def bond_options(bond: Bond) -> Iterator[tuple[str, str | int]]:
    """The options of a bond by the kernel's names."""
    miimon, arpmon = bond.miimon, bond.arpmon
    carrier = None if miimon.carrier is None else int(miimon.carrier == "netif")
    found: tuple[tuple[str, str | int | None], ...] = (
        ("mode", bond.mode),
        ("miimon", miimon.freq),
        ("updelay", miimon.updelay),
        ("downdelay", miimon.downdelay),
        ("use_carrier", carrier),
        ("arp_interval", arpmon.interval),
        ("arp_ip_target", arpmon.target),
        ("arp_validate", arpmon.validate),
    )
    for key, value in found:
        if value is not None:
            yield key, value


def _vlan(name: str, vlan: InterfaceVlan) -> Iterator[Step]:
    carrier = vlan.interface.name
    yield Step.of(f"link add link {carrier} name {name} type vlan id {vlan.tag_}", makes=name)
    yield _up(carrier)


def _up(name: str | None) -> Step:
    return Step.of(f"link set dev {name} up")
