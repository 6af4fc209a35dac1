# SPDX-License-Identifier: Apache-2.0
"""Values of matches: what may stand in an attribute, and how libvirt writes it.

Numbers keep their base; names of protocols win over their numbers; masks of addresses are written
as lengths. The numbers are those of IEEE 802, of IANA's registries and of ``linux/if_arp.h``.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv6Address

from virloom.xml.kinds import MAC

#: Text to text as libvirt writes it; raises ValueError with what was expected.
Reader = Callable[[str], str]

ETHERTYPES = {"arp": 0x806, "rarp": 0x8035, "ipv4": 0x800, "ipv6": 0x86DD, "vlan": 0x8100}
OPCODES = {
    "Request": 1, "Reply": 2, "Request_Reverse": 3, "Reply_Reverse": 4, "DRARP_Request": 5,
    "DRARP_Reply": 6, "DRARP_Error": 7, "InARP_Request": 8, "ARP_NAK": 9,
}  # fmt: skip
PROTOCOLS = {
    "tcp": 6, "udp": 17, "udplite": 136, "esp": 50, "ah": 51, "icmp": 1, "igmp": 2, "sctp": 132,
    "icmpv6": 58,
}  # fmt: skip
_STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "NONE")
_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")

_VARIABLE = re.compile(r"\$([A-Za-z0-9_]+)(?:\[\s*(@?)\s*(\d{1,9})\s*\])?")
_NUMBER = re.compile(r"0[xX]([0-9a-fA-F]{1,16})|([0-9]{1,16})")
_ADDRESS = re.compile(r"[0-9a-fA-FxX.]+")
_IPSET = re.compile(r"[A-Za-z0-9_.:+\- ]{1,31}")
_IPSET_FLAGS = re.compile(r"(src|dst)(,(src|dst)){0,5}")


def variable(text: str) -> str:
    """``$NAME``, ``$NAME[1]`` (its second value) or ``$NAME[@1]`` (its values, by iterator 1).

    Raises:
        ValueError: It is none of these.
    """
    found = _VARIABLE.fullmatch(text)
    if found is None:
        raise ValueError("a variable such as $IP, $IP[1] or $IP[@1]")
    name, iterates, number = found.groups()
    if number is None or (iterates and int(number) == 0):
        return f"${name}"
    return f"${name}[{iterates}{int(number)}]"


def _number(text: str) -> tuple[int, bool]:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError("a number")
    if found[1] is not None:
        return int(found[1], 16), True
    return int(found[2]), False


def up_to(top: int) -> Reader:
    """Numbers from 0 to *top*, decimal or with ``0x``."""

    def read(text: str) -> str:
        value, is_hexadecimal = _number(text)
        if value > top:
            raise ValueError(f"a number from 0 to {top}")
        return f"{value:#x}" if is_hexadecimal else str(value)

    return read


_BYTE, _SHORT, _LONG = up_to(0xFF), up_to(0xFFFF), up_to(0xFFFFFFFF)


def named(names: Mapping[str, int], bottom: int, top: int) -> Reader:
    """Names for numbers, or numbers from *bottom* to *top*; those with a name are shown by it."""
    shown = {value: name for name, value in names.items()}
    number = up_to(top)

    def read(text: str) -> str:
        if text in names:
            return text
        written = number(text)
        value = int(written, 0)
        if value < bottom:
            raise ValueError(f"a number from {bottom} to {top}")
        return shown.get(value, written)

    return read


def _hardware(text: str) -> str:
    assert MAC.parse is not None
    return MAC.parse(text)


def _hardware_mask(text: str) -> str:
    mask = _hardware(text)
    bits = f"{int(mask.replace(':', ''), 16):048b}"
    if "01" in bits:
        raise ValueError("a mask such as ff:ff:ff:00:00:00")
    return mask


def _ipv4(text: str) -> str:
    """As ``inet_aton``: the last number may be of several bytes (``10.1.2`` is 10.1.0.2)."""
    try:
        if _ADDRESS.fullmatch(text) is None:  # it passes over what follows a blank
            raise ValueError(text)
        return socket.inet_ntoa(socket.inet_aton(text))
    except (OSError, ValueError):
        raise ValueError("an IPv4 address") from None


def _ipv6(text: str) -> str:
    """Mapped addresses are shown as ``inet_ntop`` does, with the four numbers of IPv4."""
    try:
        if "%" in text:
            raise AddressValueError(text)
        return socket.inet_ntop(socket.AF_INET6, IPv6Address(text).packed)
    except AddressValueError:
        raise ValueError("an IPv6 address") from None


def _ipv4_mask(text: str) -> str:
    if text.isascii() and text.isdigit():
        return up_to(32)(text)
    bits = f"{int.from_bytes(socket.inet_aton(_ipv4(text)), 'big'):032b}"
    return _length(bits, "a length from 0 to 32, or a mask such as 255.255.255.0")


def _ipv6_mask(text: str) -> str:
    if text.isascii() and text.isdigit():
        return up_to(128)(text)
    bits = f"{int(IPv6Address(_ipv6(text))):0128b}"
    return _length(bits, "a length from 0 to 128, or a mask such as ffff::")


def _length(bits: str, expected: str) -> str:
    if "01" in bits:
        raise ValueError(expected)
    return str(bits.count("1"))


def _words(known: tuple[str, ...]) -> Reader:
    def read(text: str) -> str:
        words = text.split(",")
        if not all(word in known for word in words):
            raise ValueError(f"some of {', '.join(known)}")
        return ",".join(word for word in known if word in words)

    return read


def _tcp_flags(text: str) -> str:
    mask, slash, values = text.partition("/")
    if not slash:
        raise ValueError("flags as MASK/SET")
    return f"{_flag_set(mask)}/{_flag_set(values)}"


def _flag_set(text: str) -> str:
    upper = text.upper()
    if upper in ("ALL", "NONE"):
        return upper
    found = _words(_TCP_FLAGS)(upper)
    return "ALL" if found == ",".join(_TCP_FLAGS) else found


def _connections(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a decimal number")
    return _SHORT(text)


def _matching(pattern: re.Pattern[str], expected: str) -> Reader:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(expected)
        return text

    return read


def _truth(text: str) -> str:
    if text in ("true", "yes", "1"):
        return "true"
    if text in ("false", "no", "0"):
        return "false"
    raise ValueError("'true' or 'false'")


def _text(text: str) -> str:
    return text


#: The readers by the names of attributes, for what is the same in every protocol.
_READERS: dict[str, Reader] = {
    "comment": _text,
    "protocolid": named(ETHERTYPES, 0x600, 0xFFFF),
    "encap_protocol": named(ETHERTYPES, 0x600, 0xFFFF),
    "vlanid": up_to(4095),
    "hwtype": _SHORT,
    "protocoltype": _SHORT,
    "opcode": named(OPCODES, 0, 0xFFFF),
    "gratuitous": _truth,
    "protocol": named(PROTOCOLS, 0, 0xFF),
    "dscp": up_to(63),
    "connlimit_above": _connections,
    "state": lambda text: _words(_STATES)(text.upper()),
    "ipset": _matching(_IPSET, "the name of a set of addresses"),
    "ipsetflags": _matching(_IPSET_FLAGS, "src and dst, at most six"),
    "root_cost": _LONG,
    "root_cost_hi": _LONG,
}
_READERS |= dict.fromkeys(
    ("srcmacaddr", "dstmacaddr", "arpsrcmacaddr", "arpdstmacaddr", "root_address",
     "sender_address"), _hardware,
)  # fmt: skip
_READERS |= dict.fromkeys(
    ("srcmacmask", "dstmacmask", "root_address_mask", "sender_address_mask"), _hardware_mask
)
_READERS |= dict.fromkeys(("type", "typeend", "code", "codeend", "option"), _BYTE)
_READERS |= dict.fromkeys(
    ("srcportstart", "srcportend", "dstportstart", "dstportend", "port", "port_hi", "age",
     "age_hi", "max_age", "max_age_hi", "hello_time", "hello_time_hi", "forward_delay",
     "forward_delay_hi", "root_priority", "root_priority_hi", "sender_priority",
     "sender_priority_hi"), _SHORT,
)  # fmt: skip


def reader(protocol: str, attribute: str) -> Reader:
    """How *attribute* of the element *protocol* is read; both by their names in the model."""
    if attribute == "flags":
        return _BYTE if protocol == "stp" else _tcp_flags
    found = _READERS.get(attribute)
    if found is not None:
        return found
    is_ipv6 = protocol.endswith("v6")
    if attribute.endswith("mask"):
        return _ipv6_mask if is_ipv6 else _ipv4_mask
    return _ipv6 if is_ipv6 else _ipv4
