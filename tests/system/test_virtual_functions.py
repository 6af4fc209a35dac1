# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of functions where no card has any: it reads the messages all the same."""

from __future__ import annotations

import errno
import json
import os
import sys

import pytest

from tests.interop.namespace import NetworkNamespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="this is not root, who can make links")

_PROGRAM = """
import json
from virloom.host.release import release
from virloom.host.virtual_functions import KERNEL
told = []
for ask in (
    lambda: KERNEL.read("near", 0),
    lambda: KERNEL.write("near", 0, "52:54:00:00:00:01", 42),
    lambda: KERNEL.write("none", 0, "52:54:00:00:00:01", 42),
):
    try:
        ask()
    except OSError as error:
        told.append(error.errno)
gone = {"kind": "function", "path": "none", "number": 0, "address": "00:00:00:00:00:00", "vlan": 0}
print(json.dumps([told, release([gone])]))
"""


def test_a_link_without_functions_refuses_them() -> None:
    with NetworkNamespace("ip link add near type veth peer name far") as space:
        told, failed = json.loads(space.run(sys.executable, "-c", _PROGRAM))
    assert failed == []  # a card that has been pulled out
    # A malformed message would be EINVAL.
    assert told == [errno.ENODEV, errno.EOPNOTSUPP, errno.ENODEV]
