# SPDX-License-Identifier: Apache-2.0
"""``<rule>``: what happens to packets, and the protocols by which it chooses them.

A value of a match may be a variable (``$IP``, ``$PORT[1]``), which a guest's ``<filterref>`` fills;
so these are texts. Their order is libvirt's.
"""

from __future__ import annotations

from virloom.errors import InternalError
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children
from virloom.xml.kinds import INT, MAC, STRING, Kind, option


def _hardware_address(text: str) -> str:
    assert MAC.parse is not None
    return text if text.startswith("$") else MAC.parse(text)


def _truth(text: str) -> str:
    return "true" if text in ("true", "yes", "1") else "false"


def _statematch(text: str) -> str:
    return "false" if text == "0" or text.lower() == "false" else "true"


def _number(text: str) -> int | None:
    assert INT.parse is not None
    try:
        return INT.parse(text)
    except ValueError:
        return None


#: A hardware address, or a variable for one.
HARDWARE = Kind(_hardware_address, plain=False, error=InternalError)
#: ``true`` as libvirt writes it; ``yes`` and ``1`` mean the same, and all else means ``false``.
TRUTH = Kind(_truth, pattern="true|false|yes|no|1|0")
#: The other way round: all but ``false`` and ``0`` means ``true``.
STATEMATCH = Kind(_statematch, pattern="true|false|yes|no|1|0")
#: All but ``no`` means ``yes``.
MATCH = Kind(lambda text: "no" if text == "no" else "yes", pattern="yes|no")
#: What is no number counts as not given.
PRIORITY: Kind[int | None] = Kind(_number, str, pattern=INT.pattern)


class Match(Element):
    """What every protocol has: whether the rule is for what matches, or for all else."""

    match: str | None = attribute(MATCH)
    comment: str | None = attribute(STRING, order=9)


class SourceHardware(Match):
    """A protocol of the third layer and above, with the sender's hardware address."""

    srcmacaddr: str | None = attribute(HARDWARE)


class MaskedSource(SourceHardware):
    """A protocol whose sender's hardware address has a mask."""

    srcmacmask: str | None = attribute(HARDWARE)


class LinkLayer(MaskedSource):
    """A protocol of the second layer, with both hardware addresses."""

    dstmacaddr: str | None = attribute(HARDWARE)
    dstmacmask: str | None = attribute(HARDWARE)


class MacMatch(LinkLayer):
    """``<mac>``: any frame."""

    protocolid: str | None = attribute(STRING)


class VlanMatch(LinkLayer):
    """``<vlan>``: frames with a tag of IEEE 802.1Q."""

    vlanid: str | None = attribute(STRING)
    encap_protocol: str | None = attribute(STRING, "encap-protocol")


class StpMatch(MaskedSource):
    """``<stp>``: the spanning tree protocol of bridges; a name with ``-hi`` ends a range."""

    type: str | None = attribute(STRING)
    flags: str | None = attribute(STRING)
    root_priority: str | None = attribute(STRING, "root-priority")
    root_priority_hi: str | None = attribute(STRING, "root-priority-hi")
    root_address: str | None = attribute(HARDWARE, "root-address")
    root_address_mask: str | None = attribute(HARDWARE, "root-address-mask")
    root_cost: str | None = attribute(STRING, "root-cost")
    root_cost_hi: str | None = attribute(STRING, "root-cost-hi")
    sender_priority: str | None = attribute(STRING, "sender-priority")
    sender_priority_hi: str | None = attribute(STRING, "sender-priority-hi")
    sender_address: str | None = attribute(HARDWARE, "sender-address")
    sender_address_mask: str | None = attribute(HARDWARE, "sender-address-mask")
    port: str | None = attribute(STRING)
    port_hi: str | None = attribute(STRING, "port-hi")
    age: str | None = attribute(STRING)
    age_hi: str | None = attribute(STRING, "age-hi")
    max_age: str | None = attribute(STRING, "max-age")
    max_age_hi: str | None = attribute(STRING, "max-age-hi")
    hello_time: str | None = attribute(STRING, "hello-time")
    hello_time_hi: str | None = attribute(STRING, "hello-time-hi")
    forward_delay: str | None = attribute(STRING, "forward-delay")
    forward_delay_hi: str | None = attribute(STRING, "forward-delay-hi")


class ArpMatch(LinkLayer):
    """``<arp>`` and ``<rarp>``."""

    hwtype: str | None = attribute(STRING)
    protocoltype: str | None = attribute(STRING)
    opcode: str | None = attribute(STRING)
    arpsrcmacaddr: str | None = attribute(HARDWARE)
    arpdstmacaddr: str | None = attribute(HARDWARE)
    arpsrcipaddr: str | None = attribute(STRING)
    arpsrcipmask: str | None = attribute(STRING)
    arpdstipaddr: str | None = attribute(STRING)
    arpdstipmask: str | None = attribute(STRING)
    gratuitous: str | None = attribute(TRUTH)


class BridgedIp(LinkLayer):
    """IP as a bridge sees it; addresses, the protocol inside and its ports."""

    srcipaddr: str | None = attribute(STRING)
    srcipmask: str | None = attribute(STRING)
    dstipaddr: str | None = attribute(STRING)
    dstipmask: str | None = attribute(STRING)
    protocol: str | None = attribute(STRING)
    srcportstart: str | None = attribute(STRING)
    srcportend: str | None = attribute(STRING)
    dstportstart: str | None = attribute(STRING)
    dstportend: str | None = attribute(STRING)


class IpMatch(BridgedIp):
    """``<ip>``: IPv4."""

    dscp: str | None = attribute(STRING)


class Ipv6Match(BridgedIp):
    """``<ipv6>``; with the types and codes of ICMPv6."""

    type: str | None = attribute(STRING)
    typeend: str | None = attribute(STRING)
    code: str | None = attribute(STRING)
    codeend: str | None = attribute(STRING)


class Transport(SourceHardware):
    """What the host's packet filter sees over IP of either version: ``<all>``, ``<esp>``, …

    ``connlimit-above`` and ``state`` speak of connections, ``ipset`` of sets of addresses.
    """

    srcipaddr: str | None = attribute(STRING)
    srcipmask: str | None = attribute(STRING)
    dstipaddr: str | None = attribute(STRING)
    dstipmask: str | None = attribute(STRING)
    srcipfrom: str | None = attribute(STRING)
    srcipto: str | None = attribute(STRING)
    dstipfrom: str | None = attribute(STRING)
    dstipto: str | None = attribute(STRING)
    dscp: str | None = attribute(STRING)
    connlimit_above: str | None = attribute(STRING, "connlimit-above")
    state: str | None = attribute(STRING)
    ipset: str | None = attribute(STRING, order=8)
    ipsetflags: str | None = attribute(STRING, order=8)


class PortMatch(Transport):
    """``<udp>``, ``<sctp>``, …: protocols with ports."""

    srcportstart: str | None = attribute(STRING)
    srcportend: str | None = attribute(STRING)
    dstportstart: str | None = attribute(STRING)
    dstportend: str | None = attribute(STRING)


class TcpMatch(PortMatch):
    """``<tcp>``; its flags are written ``MASK/SET``, an option of TCP by its number."""

    option: str | None = attribute(STRING)
    flags: str | None = attribute(STRING)


class IcmpMatch(Transport):
    """``<icmp>`` and ``<icmpv6>``."""

    type: str | None = attribute(STRING)
    code: str | None = attribute(STRING)


class FilterRule(Element):
    """``<rule action='accept' direction='in' priority='500'>``.

    The priority is from -1000 to 1000, lower first. A rule chooses by one protocol, which may
    stand several times; without one it is for all packets.
    """

    tag = "rule"

    action: str | None = attribute(option("drop", "accept", "reject", "return", "continue"))
    direction: str | None = attribute(option("in", "out", "inout"))
    priority: int | None = attribute(PRIORITY)
    statematch: str | None = attribute(STATEMATCH)
    mac: list[MacMatch] = children(MacMatch, "mac")
    vlan: list[VlanMatch] = children(VlanMatch, "vlan")
    stp: list[StpMatch] = children(StpMatch, "stp")
    arp: list[ArpMatch] = children(ArpMatch, "arp")
    rarp: list[ArpMatch] = children(ArpMatch, "rarp")
    ip: list[IpMatch] = children(IpMatch, "ip")
    ipv6: list[Ipv6Match] = children(Ipv6Match, "ipv6")
    tcp: list[TcpMatch] = children(TcpMatch, "tcp")
    udp: list[PortMatch] = children(PortMatch, "udp")
    sctp: list[PortMatch] = children(PortMatch, "sctp")
    icmp: list[IcmpMatch] = children(IcmpMatch, "icmp")
    igmp: list[Transport] = children(Transport, "igmp")
    all: list[Transport] = children(Transport, "all")
    esp: list[Transport] = children(Transport, "esp")
    ah: list[Transport] = children(Transport, "ah")
    udplite: list[Transport] = children(Transport, "udplite")
    tcp_ipv6: list[TcpMatch] = children(TcpMatch, "tcp-ipv6")
    udp_ipv6: list[PortMatch] = children(PortMatch, "udp-ipv6")
    sctp_ipv6: list[PortMatch] = children(PortMatch, "sctp-ipv6")
    icmpv6: list[IcmpMatch] = children(IcmpMatch, "icmpv6")
    all_ipv6: list[Transport] = children(Transport, "all-ipv6")
    esp_ipv6: list[Transport] = children(Transport, "esp-ipv6")
    ah_ipv6: list[Transport] = children(Transport, "ah-ipv6")
    udplite_ipv6: list[Transport] = children(Transport, "udplite-ipv6")
