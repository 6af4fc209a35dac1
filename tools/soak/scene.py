# SPDX-License-Identifier: Apache-2.0
"""A host in a network namespace, somebody outside, and a client and guests that always send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.interop.namespace import NetworkNamespace
from virloom.testing.documents import tiny_guest_xml

NETWORK = """<network><name>out</name><forward mode='nat'/><bridge name='virbr5' stp='off'/>
<ip address='10.66.0.1' prefix='24'><dhcp><range start='10.66.0.50' end='10.66.0.99'/></dhcp></ip>
<bandwidth><inbound average='100000'/></bandwidth></network>"""
MAC = "52:54:00:00:66:01"
_OUTSIDE = "203.0.113.2"
#: Seconds between two packets.
_PAUSE = "0.1"


class Sent(NamedTuple):
    """Packets of one who sends, and those that were answered."""

    sent: int
    answered: int

    @classmethod
    def told(cls, text: str) -> Sent:
        """As ping tells it at its end."""
        found = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", text)
        return cls(int(found[1]), int(found[2])) if found is not None else cls(0, 0)


class Scene:
    """Who takes part.

    Args:
        stack: Ends with all of it.
        root: A directory for consoles.
    """

    def __init__(self, stack: ExitStack, root: Path) -> None:
        self._root = root
        self.host, outside, self.client = (
            stack.enter_context(NetworkNamespace("true")) for _ in range(3)
        )
        self.host.run(
            *("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"),
            *("netns", str(outside.pid)),
        )
        for space, address in ((self.host, "203.0.113.1"), (outside, _OUTSIDE)):
            space.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            space.run("ip", "link", "set", "eth0", "up")
        self._pinging: subprocess.Popen[str] | None = None

    def plug(self) -> None:
        """Gives the client a lease of the network, and has it send."""
        self.host.run(
            *("ip", "link", "add", "inside", "type", "veth", "peer", "name", "eth0"),
            *("address", MAC, "netns", str(self.client.pid)),
        )
        self.host.run("ip", "link", "set", "inside", "master", "virbr5", "up")
        self.client.run("ip", "link", "set", "eth0", "up")
        script = self._root / "lease"
        script.write_text(
            '#!/bin/sh\ntest "$1" = bound || exit 0\n'
            "ip address add $ip/$mask dev eth0; ip route add default via $router\n"
        )
        script.chmod(0o755)
        self.client.run(
            *("busybox", "udhcpc", "-f", "-n", "-q", "-t", "20", "-T", "1", "-i", "eth0"),
            *("-s", str(script)),
        )
        self._pinging = subprocess.Popen(
            [*self.client.prefix, "ping", "-n", "-q", "-i", _PAUSE, _OUTSIDE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def unplug(self) -> Sent:
        """What came of what the client sent."""
        assert self._pinging is not None
        self._pinging.send_signal(signal.SIGINT)
        return Sent.told(self._pinging.communicate(timeout=30)[0])

    def end(self) -> None:
        """Ends what the network has left to itself: its dnsmasq."""
        with contextlib.suppress(FileNotFoundError):
            pid = (self._root / "run/libvirt/network/out.pid").read_text().strip()
            self.host.ask("kill", pid)

    def marks(self) -> dict[str, object]:
        """What of the host is to be the same afterwards."""
        links = json.loads(self.host.run("ip", "-j", "link"))
        return {
            "links": sorted((link["ifname"], link.get("master")) for link in links),
            "tables": sorted(self.host.run("nft", "list", "tables").splitlines()),
            "dnsmasq": (self._root / "run/libvirt/network/out.pid").read_text(),
        }


class Guest:
    """A guest with a filtered card on the network, which sends.

    Args:
        name: The guest's.
        number: The last part of its addresses.
    """

    def __init__(self, root: Path, name: str, number: int) -> None:
        self._console = root / f"{name}.console"
        self._address = f"10.66.0.{number}"
        card = (
            f"<interface type='network'><mac address='52:54:00:00:66:{number:02x}'/>"
            "<source network='out'/><model type='virtio'/><filterref filter='clean-traffic'>"
            f"<parameter name='IP' value='{self._address}'/></filterref></interface>"
        )
        self.document = tiny_guest_xml(name, console=f"unix:{self._console}", extra_devices=card)

    async def begin(self) -> None:
        """Has it send."""
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._console))
        async with asyncio.timeout(120):
            while "up-0" not in await self._tell("echo up-$?", 2):
                pass
        await self._tell(f"busybox ifconfig eth0 {self._address} netmask 255.255.255.0 up", 1)
        await self._tell("busybox route add default gw 10.66.0.1", 1)
        await self._tell(f"busybox ping -q -i {_PAUSE} {_OUTSIDE} >/sent 2>&1 & echo $! >/pid", 1)

    async def end(self) -> Sent:
        """What came of it."""
        told = await self._tell("kill -INT $(cat /pid); busybox sleep 1; busybox cat /sent", 5)
        self._writer.close()
        return Sent.told(told)

    async def _tell(self, line: str, seconds: float) -> str:
        """Has it run a line; what it says within that time."""
        self._writer.write(line.encode() + b"\n")
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while part := await self._reader.read(4096):
                    said += part
        return said.decode(errors="replace")


@contextlib.contextmanager
def scene(root: Path) -> Iterator[Scene]:
    """One that ends with the block."""
    with ExitStack() as stack:
        yield Scene(stack, root)
