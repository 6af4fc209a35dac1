# SPDX-License-Identifier: Apache-2.0
"""What a link lets in, on the real kernel."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.interop.namespace import NetworkNamespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="this is not root, who can make links")

_PROGRAM = """
import json
from virloom.host.receiving import groups_of, set_groups, set_modes
mine, other = "01:00:5e:00:00:fb", "33:33:00:00:00:fb"
told = []
for wanted in ([mine, other], [mine, other], [other], []):
    set_groups("far", wanted)
    told.append(sorted(groups_of("far")))
set_modes("far", promiscuous=True, all_groups=True)
set_modes("far", promiscuous=False, all_groups=True)
print(json.dumps(told))
"""


def test_groups_and_modes_of_a_link() -> None:
    mine, other = "01:00:5e:00:00:fb", "33:33:00:00:00:fb"
    with NetworkNamespace("ip link add near type veth peer name far; ip link set far up") as space:
        told = json.loads(space.run(sys.executable, "-c", _PROGRAM))
        (link,) = json.loads(space.run("ip", "-j", "link", "show", "far"))
        kernels = space.run("ip", "maddress", "show", "dev", "far")
    assert told == [[mine, other], [mine, other], [other], []]
    assert "ALLMULTI" in link["flags"]
    assert "PROMISC" not in link["flags"]
    assert "01:00:5e:00:00:01" in kernels  # which stays what it was
