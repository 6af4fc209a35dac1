# SPDX-License-Identifier: Apache-2.0
"""VLANs of taps on bridges of the kernel, which keep ports apart where they filter VLANs.

libvirt 9 has VLANs on Open vSwitch only, and refuses them here; so do we on a bridge that does not
filter (``ip link set BRIDGE type bridge vlan_filtering 1``), or a kernel that cannot.
"""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.host import links
from virloom.model.domain import Interface
from virloom.model.traffic import Vlan


def give_vlans(interface: Interface, bridge: str, former: Vlan | None = None) -> None:
    """Gives the tap of *interface*, a port of *bridge*, the VLANs that its document says.

    Args:
        former: Those that it had; None for a port that is new.

    Raises:
        ConfigUnsupported: The bridge does not filter VLANs.
        OSError: The kernel would not.
    """
    tap, usual = interface.target.dev or "", links.usual_vlan(bridge)
    if usual is None:
        raise ConfigUnsupported(
            f"interface {interface.mac.address}: vlan tag not supported for this connection type",
            domain=ErrorDomain.DOMAIN,
            remedy=f"bridge '{bridge}' would have to filter VLANs (vlan_filtering 1), or be one of "
            "Open vSwitch",
        )
    before = dict(members(former, usual))
    after = dict(members(interface.vlan, usual))
    for tag in before.keys() - after.keys():
        links.remove_port_vlan(tap, tag)
    for tag, kind in after.items():
        if before.get(tag) != kind:
            links.add_port_vlan(tap, tag, native=kind[0], untagged=kind[1])


def members(vlan: Vlan | None, usual: int) -> list[tuple[int, tuple[bool, bool]]]:
    """VLANs of a port: of each whether frames without a tag are of it, and leave without one."""
    if vlan is None or not vlan.tags:
        return [(usual, (True, True))] if usual else []
    trunk = bool(vlan.trunk) or any(tag.native_mode is not None for tag in vlan.tags)
    if not trunk:
        return [(vlan.tags[0].id or 0, (True, True))]
    return [
        (tag.id or 0, (tag.native_mode is not None, tag.native_mode == "untagged"))
        for tag in vlan.tags
    ]
