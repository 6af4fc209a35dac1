# SPDX-License-Identifier: Apache-2.0
"""Documents of interfaces that are put on a bridge and taken off, as virsh 9.0.0 makes them."""

from __future__ import annotations

import pytest

from virloom.cli.shell.failure import CommandFailed
from virloom.cli.words.interface_bridge import attached_to, bridged, freed
from virloom.xml import parse_node

_ALONE = """\
<interface type="bond" name="b">
  <start mode="onboot"/>
  <mtu size="1492"/>
  <protocol family="ipv4">
    <dhcp/>
  </protocol>
  <mac address="aa:bb:cc:dd:ee:ff"/>
  <bond>
    <interface type="ethernet" name="e"/>
  </bond>
</interface>"""

_ON_BRIDGE = """\
<interface type="bridge" name="br">
  <start mode="onboot"/>
  <mtu size="1492"/>
  <protocol family="ipv4">
    <dhcp/>
  </protocol>
  <bridge stp="on" delay="0">
    <interface type="bond" name="b">
      <mac address="aa:bb:cc:dd:ee:ff"/>
      <bond>
        <interface type="ethernet" name="e"/>
      </bond>
    </interface>
  </bridge>
</interface>"""


def test_bridge_takes_all_but_what_belongs_to_the_device() -> None:
    made = bridged(parse_node(_ALONE), "br", {"stp": "on", "delay": "0"})
    assert made.dump() == _ON_BRIDGE


def test_device_gets_it_back() -> None:
    bridge = parse_node(_ON_BRIDGE)
    assert freed(bridge, attached_to(bridge, "br")).dump() == _ALONE


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (_ALONE, "Device br is not a bridge"),
        ("<interface type='bridge'><bridge/></interface>", "No interface attached to bridge"),
        (
            "<interface type='bridge'><bridge><interface/><interface/></bridge></interface>",
            "Multiple interfaces attached to bridge",
        ),
    ],
)
def test_bridge_with_other_than_one_device_stays(document: str, complaint: str) -> None:
    with pytest.raises(CommandFailed, match=complaint):
        attached_to(parse_node(document), "br")
