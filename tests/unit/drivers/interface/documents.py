# SPDX-License-Identifier: Apache-2.0
"""Documents of all kinds, for every configurator."""

from __future__ import annotations

from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.interface.validate import validate
from virloom.model.interface import HostInterface

#: All that a document can say: a bridge over a bond and a VLAN, addresses of all kinds.
EVERYTHING = """
<interface type='bridge' name='br0'><start mode='onboot'/><mtu size='1400'/>
 <protocol family='ipv4'><dhcp peerdns='no'/><ip address='192.0.2.5' prefix='24'/>
  <route gateway='192.0.2.1'/></protocol>
 <protocol family='ipv6'><autoconf/><ip address='2001:db8::5'/></protocol>
 <bridge stp='on' delay='0'>
  <interface type='ethernet' name='eth2'><mac address='52:54:00:00:00:02'/></interface>
  <interface type='vlan' name='eth3.7'><vlan tag='7'><interface name='eth3'/></vlan></interface>
  <interface type='bond' name='bond0'><bond mode='active-backup'>
   <miimon freq='100' updelay='200' downdelay='300' carrier='netif'/>
   <interface type='ethernet' name='eth0'/><interface type='ethernet' name='eth1'/></bond>
  </interface>
 </bridge></interface>
"""
BOND = """
<interface type='bond' name='bond1'><start mode='none'/><mac address='52:54:00:00:00:09'/>
 <bond mode='balance-rr'><arpmon interval='500' target='192.0.2.9' validate='active'/>
  <interface type='ethernet' name='eth0'/></bond></interface>
"""
VLAN = """
<interface type='vlan' name='eth0.42'><start mode='hotplug'/>
 <protocol family='ipv4'><dhcp/></protocol>
 <vlan tag='42'><interface name='eth0'/></vlan></interface>
"""


def model(text: str) -> HostInterface:
    """The document, which nothing refuses."""
    made = parse_interface(text)
    validate(made)
    return made
