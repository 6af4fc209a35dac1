# SPDX-License-Identifier: Apache-2.0
"""What may pass a port whose address is not known yet: documents as any other filter.

They let through what libvirt 9 lets through: for addresses by DHCP nothing but DHCP, else what
the guest sends from its own MAC address over ARP and IPv4, so that it can show its address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from virloom.drivers.nwfilter.completion import parse_filter
from virloom.model.nwfilter import Filter, FilterReference

_ANY = """
<filter name='{name}'>
  <rule action='drop' direction='out' priority='100'><mac match='no' srcmacaddr='$MAC'/></rule>
  <rule action='accept' direction='out' priority='200'><mac protocolid='ipv4'/></rule>
  <rule action='accept' direction='out' priority='200'><mac protocolid='arp'/></rule>
  <rule action='drop' direction='out' priority='1000'/>
</filter>"""
_DHCP = """
<filter name='{name}'>
  <rule action='accept' direction='out' priority='100'>
    <ip srcmacaddr='$MAC' protocol='udp' srcportstart='68' dstportstart='67'/>
  </rule>
  <rule action='drop' direction='out' priority='1000'/>
  <rule action='accept' direction='in' priority='100'>
    <ip dstmacaddr='$MAC' {server} protocol='udp' srcportstart='67' dstportstart='68'/>
  </rule>
  <rule action='accept' direction='in' priority='100'>
    <ip dstmacaddr='ff:ff:ff:ff:ff:ff' {server} protocol='udp' srcportstart='67'
        dstportstart='68'/>
  </rule>
  <rule action='drop' direction='in' priority='1000'/>
</filter>"""

#: No document of a client has a name with a slash, so none of theirs is taken for it.
_NAME = "virloom/unknown-address"


@cache
def _document(mode: str, has_server: bool) -> Filter:
    text = _ANY if mode == "any" else _DHCP
    server = "srcipaddr='$DHCPSERVER'" if has_server else ""
    return parse_filter(text.format(name=_NAME, server=server))


def interim(
    mode: str, reference: FilterReference, servers: Sequence[str]
) -> tuple[FilterReference, Callable[[str], Filter | None]]:
    """The filter that stands in for *reference* until an address is known, and how it is found.

    Args:
        mode: ``any`` or ``dhcp``.
        reference: Whose parameters it gets: ``MAC``, ``DHCPSERVER``.
        servers: The values of ``DHCPSERVER``; none are all servers.
    """
    found = _document(mode, bool(servers))
    stand_in = FilterReference(filter=_NAME, parameters=reference.parameters)
    return stand_in, lambda name: found if name == _NAME else None
