# SPDX-License-Identifier: Apache-2.0
"""Filters on a kernel that tracks connections on bridges: that of a guest, for ours does not.

The same frames pass where nft has the rules for packets as where iptables has them, which the
comparison with libvirt 9 on this machine is of.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.timeout(600),
    pytest.mark.long,
]
REPOSITORY = Path(__file__).parents[2]

#: Of bridges and both of the kernel's packet filters; the guest does not load what it needs.
_MODULES = (
    "veth", "br_netfilter", "nf_tables", "nf_conntrack_bridge", "nft_ct", "nft_reject_bridge",
    "nft_compat", "nf_conntrack_netlink", "xt_physdev", "xt_conntrack", "xt_mac", "xt_dscp",
    "xt_tcpudp", "xt_iprange", "ipt_REJECT", "ip6t_REJECT",
)  # fmt: skip
#: Parts of the names of cases: both directions, states, both families, ICMP.
_SAMPLE = (
    "direction='in' ><tcp dstportstart='22'/></rule><rule action='drop' direction='inout'",
    "<tcp-ipv6 dstportstart",
    "reject",
    "<icmp type",
)


@pytest.fixture(scope="module")
def guest(installed: None) -> Iterator[HostGuest]:
    with HostGuest(_MODULES) as started:
        yield started


def test_the_same_frames_pass_by_nft_and_by_iptables(guest: HostGuest) -> None:
    parts = " ".join(f'"{part}"' for part in _SAMPLE)
    tool = f"{sys.executable} -m tools.parity.filters.backends"
    told = guest.run(f"cd {REPOSITORY}; {tool} {parts}", 500)
    assert told.splitlines()[-1].endswith("filters, 0 of them differ"), told
    assert told.count("same") > len(_SAMPLE), told


def test_doctor_names_what_has_the_rules(guest: HostGuest) -> None:
    told = guest.ask(f"{Path(sys.executable).with_name('virloom')} doctor", 300)[1]
    assert "nft has rules for packets: the kernel tracks connections on bridges" in told
