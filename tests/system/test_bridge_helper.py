# SPDX-License-Identifier: Apache-2.0
"""An ordinary user's guest on a bridge of the host: QEMU's helper makes the tap, if it may."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace

_HELPER = Path("/usr/lib/qemu/qemu-bridge-helper")

pytestmark = [
    pytest.mark.skipif(
        not _HELPER.exists() or os.geteuid() != 0 or shutil.which("setpriv") is None,
        reason="no qemu-bridge-helper, or this is not root, who can give it its right",
    ),
    pytest.mark.timeout(60),
]

#: The helper gets its right in a copy that the namespace alone sees.
_SETUP = f"""
mkdir -p /etc/qemu; mount -t tmpfs -o mode=755,suid private /etc/qemu
cp {_HELPER} /etc/qemu/helper; chmod 4755 /etc/qemu/helper
echo 'allow open' > /etc/qemu/bridge.conf
for name in open shut; do ip link add $name type bridge; ip link set $name up; done
"""

_USER = """
import asyncio, json, os, sys, tempfile, virloom
from virloom.testing.documents import paused_guest_xml

def card(bridge, more=""):
    return ("<interface type='bridge'><mac address='52:54:00:00:ab:01'/>"
        f"<source bridge='{bridge}'/>{more}<model type='virtio'/></interface>")

async def main():
    root = tempfile.mkdtemp()
    os.makedirs(f"{root}/etc")
    with open(f"{root}/etc/qemu.conf", "w") as file:
        file.write('bridge_helper = "/etc/qemu/helper"')
    told = {}
    async with virloom.open(f"qemu:///embed?root={root}&network=host") as conn:
        dom = await conn.create_xml(paused_guest_xml("mine", extra_devices=card("open")), 1)
        told["document"] = await dom.xml_desc(0)
        told["master"] = os.path.basename(os.readlink("/sys/class/net/tap0/master"))
        limited = "<bandwidth><inbound average='9'/></bandwidth>"
        slow = f"<portgroup name='slow' default='yes'>{limited}</portgroup>"
        await conn.networks.create_xml("<network><name>slow</name><forward mode='bridge'/>"
            f"<bridge name='open'/>{slow}</network>")
        of_network = card("open").replace("type='bridge'", "type='network'")
        for name, device in (
            ("shut", card("shut")), ("limited", card("open", limited)),
            ("network's", of_network.replace("bridge='open'", "network='slow'")),
        ):
            try:
                await dom.devices.attach(device.replace("ab:01", "ab:02"), 1)
            except virloom.VirloomError as exc:
                told[name] = [exc.code, int(exc.domain), exc.message]
        await dom.destroy()
        told["after"] = sorted(os.listdir("/sys/class/net"))
    print(json.dumps(told))
asyncio.run(main())
"""


def test_a_bridge_that_the_user_may_have(
    ordinary_user: Callable[[Sequence[str]], list[str]],
) -> None:
    with NetworkNamespace(_SETUP) as space:
        told = json.loads(space.run(*ordinary_user(["-c", _USER])).splitlines()[-1])
    assert told["master"] == "open"
    assert "<target dev='tap0'/>" in told["document"]
    code, domain, words = told["shut"]
    assert (code, domain) == (38, 10)
    assert "access denied by acl file" in words
    assert told["limited"][:2] == told["network's"][:2] == [84, 0]
    assert "tap0" not in told["after"]
