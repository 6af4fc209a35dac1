# SPDX-License-Identifier: Apache-2.0
"""Matches of the second layer as expressions of nftables.

Offsets are bits from the start of a header: of the frame (``ll``), of what it carries (``nh``), of
the protocol inside of that (``th``). They are those of IEEE 802.3, 802.1Q and 802.1D, and of
RFC 826, 791 and 8200. All fields but IPv6 addresses are read as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Network

from virloom.drivers.nwfilter.rules.commands import Expression, match, payload
from virloom.drivers.nwfilter.values import ETHERTYPES, OPCODES, PROTOCOLS
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

_TYPE = ("ll", 96, 16)
_ETHERNET = {"srcmacaddr": ("ll", 48, 48), "dstmacaddr": ("ll", 0, 48)}
_ARP = {
    "hwtype": ("nh", 0, 16),
    "protocoltype": ("nh", 16, 16),
    "opcode": ("nh", 48, 16),
    "arpsrcmacaddr": ("nh", 64, 48),
    "arpsrcipaddr": ("nh", 112, 32),
    "arpdstmacaddr": ("nh", 144, 48),
    "arpdstipaddr": ("nh", 192, 32),
}
_PORTS = {"srcport": ("th", 0, 16), "dstport": ("th", 16, 16)}
_FIELDS: dict[str, dict[str, tuple[str, int, int]]] = {
    "mac": {"protocolid": _TYPE},
    "vlan": {"vlanid": ("ll", 116, 12), "encap_protocol": ("ll", 128, 16)},
    "stp": {"type": ("ll", 160, 8)},
    "arp": _ARP,
    "rarp": _ARP,
    "ip": {
        "dscp": ("nh", 8, 6),
        "protocol": ("nh", 72, 8),
        "srcipaddr": ("nh", 96, 32),
        "dstipaddr": ("nh", 128, 32),
        **_PORTS,
    },
    "ipv6": {"type": ("th", 0, 8), "code": ("th", 8, 8), **_PORTS},
}
#: What only a configuration of spanning trees has, whose type is 0.
_CONFIGURATION = {
    "flags": ("ll", 168, 8),
    "root_priority": ("ll", 176, 16),
    "root_address": ("ll", 192, 48),
    "root_cost": ("ll", 240, 32),
    "sender_priority": ("ll", 272, 16),
    "sender_address": ("ll", 288, 48),
    "port": ("ll", 336, 16),
    "age": ("ll", 352, 16),
    "max_age": ("ll", 368, 16),
    "hello_time": ("ll", 384, 16),
    "forward_delay": ("ll", 400, 16),
}
#: The group of bridges; the link's header, protocol and version of their messages.
_BRIDGES, _MESSAGE = 0x0180C2000000, 0x424203000000
#: What frames of a protocol have as their type.
_OWN_TYPE = {"vlan": 0x8100, "arp": 0x806, "rarp": 0x8035, "ip": 0x800, "ipv6": 0x86DD}
#: What others make rules of.
_ELSEWHERE = ("comment", "gratuitous")
_NAMES = ETHERTYPES | OPCODES | PROTOCOLS


def expressions(protocol: str, values: Mapping[str, str], *, negated: bool) -> list[Expression]:
    """The expressions that all have to hold for a frame to match.

    Args:
        protocol: The element: ``mac``, ``arp``, ``rarp``, ``ip`` or ``ipv6``.
        values: Its attributes, without variables, by their names in the model.
        negated: Each of them must differ, as libvirt has it; the protocol itself must not.

    Raises:
        InternalError: The kernel's rules of bridges have no such match (libvirt's code).
    """
    fields = _FIELDS.get(protocol)
    if fields is None:
        raise _unsupported(f"<{protocol.replace('_', '-')}>")
    made = []
    if protocol in _OWN_TYPE:
        made.append(match(payload(_TYPE), _OWN_TYPE[protocol]))
    rest = {name: text for name, text in values.items() if name not in _ELSEWHERE}
    if protocol == "stp":
        made += _spanning_tree(rest, negated)
    if protocol == "ipv6":
        made += _ipv6(rest, negated)
    for name, field in {**_ETHERNET, **fields}.items():
        made += _field(name, field, rest, negated)
    unknown = [name for name in rest if not name.endswith(("mask", "end", "_hi"))]
    if unknown:
        raise _unsupported(f"{', '.join(unknown)} of <{protocol}>")
    return made


def _unsupported(what: str) -> InternalError:
    return InternalError(f"filters on bridges do not have {what}", domain=ErrorDomain.NWFILTER)


def _field(
    name: str, field: tuple[str, int, int], rest: dict[str, str], negated: bool
) -> list[Expression]:
    """What attributes of *rest* say of one field; they are taken out of it.

    A mask or an end by itself says nothing, as for libvirt; but types and codes begin at 0.
    """
    end = _end(name, rest)
    mask = rest.pop(f"{name[:-4]}mask" if name.endswith("addr") else f"{name}_mask", None)
    start = rest.pop(f"{name}start" if name in _PORTS else name, None)
    if start is None and end is not None and name in ("type", "code"):
        start = "0"
    if start is None:
        return []
    value, left = _number(start), payload(field)
    if end is not None:
        if value > _number(end):
            raise _unsupported(f"the range from {start} to {end}")
        return [match(left, {"range": [value, _number(end)]}, negated=negated)]
    if mask is not None:
        bits = _mask(mask, field[2])
        return [match({"&": [left, bits]}, value & bits, negated=negated)]
    return [match(left, value, negated=negated)]


def _end(name: str, rest: dict[str, str]) -> str | None:
    high = rest.pop(f"{name}_hi", None)
    return rest.pop(f"{name}end", high)


def _spanning_tree(rest: dict[str, str], negated: bool) -> list[Expression]:
    """Bridges' messages of any kind; with something said of them, those of IEEE 802.1D."""
    made = [match(payload(_ETHERNET["dstmacaddr"]), _BRIDGES)]
    said = [
        expression
        for name, field in _CONFIGURATION.items()
        for expression in _field(name, field, rest, negated)
    ]
    if said or "type" in rest:
        made.append(match(payload(("ll", 112, 48)), _MESSAGE))
    if said:
        made.append(match(payload(("ll", 160, 8)), 0))
    return made + said


def _ipv6(rest: dict[str, str], negated: bool) -> list[Expression]:
    """Addresses, which are too long for numbers, and the protocol after all extension headers."""
    made = []
    for side in ("src", "dst"):
        address = rest.pop(f"{side}ipaddr", None)
        if address is not None:
            mask = rest.pop(f"{side}ipmask", "128")
            network = IPv6Network(f"{address}/{mask}", strict=False)
            left = {"payload": {"protocol": "ip6", "field": f"{side[0]}addr"}}
            right = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
            made.append(match(left, right, negated=negated))
    protocol = rest.pop("protocol", None)
    if any(name in rest for name in ("type", "typeend", "code", "codeend")):
        if negated or protocol not in (None, "icmpv6"):
            raise _unsupported(f"types or codes of what is not ICMPv6: {', '.join(rest)}")
        protocol = "icmpv6"
    if protocol is not None:
        made.append(match({"meta": {"key": "l4proto"}}, _number(protocol), negated=negated))
    return made


def _mask(text: str, length: int) -> int:
    if ":" in text:
        return _number(text)
    return ((1 << int(text)) - 1) << (length - int(text))


def _number(text: str) -> int:
    """The number that a normalized value stands for."""
    if text in _NAMES:
        return _NAMES[text]
    if ":" in text:
        return int(text.replace(":", ""), 16)
    return int(IPv4Address(text)) if "." in text else int(text, 0)
