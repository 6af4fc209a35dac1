# SPDX-License-Identifier: Apache-2.0
"""Routes over IPv6 of a host that has thousands, in a network of the test's own."""

from __future__ import annotations

import json
import sys

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs

pytestmark = [*needs("ip", root=True), pytest.mark.timeout(60)]

#: Two of them of the main table, and one of another; the others fill it.
_SETUP = """
ip link add wire type veth peer name far; ip link set wire up; ip link set far up
ip address add 2001:db8::1/64 dev wire nodad
ip -6 route add 2001:db8:ffff::/48 via 2001:db8::2
ip -6 route add 2001:db8:fffe::/48 via 2001:db8::2 table 77
ip -6 route add 2001:db8:fffd::/48 nexthop via 2001:db8::2 nexthop via 2001:db8::3
ip -6 route add default via 2001:db8::2
i=0
while [ $i -lt 3000 ]; do
    printf 'route add fd00:%x::/64 via 2001:db8::2\\n' $i; i=$((i+1))
done | ip -6 -batch -
"""
_LOOK = """
import json
from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.links.routing import routes
ips = "".join(f"<ip family='ipv6' address='{a}::9' prefix='{p}'/>" for a, p in [
    ("2001:db8", 64), ("2001:db8:ffff", 48), ("2001:db8:fffe", 48), ("2001:db8:fffd", 48),
    ("2001:db8:ffff", 56), ("fd00:bb7", 64), ("fd00:bb8", 64)])
model = parse_network(f"<network><name>n</name>{ips}</network>")
host = NetworkHost()
found = sorted((str(route.subnet), route.link) for route in routes(host, model))
print(json.dumps([found, len(list(host.routes6()))]))
"""


def test_those_that_lead_to_a_network() -> None:
    with NetworkNamespace(_SETUP) as space:
        found, count = json.loads(space.run(sys.executable, "-c", _LOOK))
    assert count > 3000
    assert found == [
        ["2001:db8::/64", "wire"],
        ["2001:db8:fffd::/48", "wire"],
        ["2001:db8:ffff::/48", "wire"],
        ["fd00:bb7::/64", "wire"],
    ]
