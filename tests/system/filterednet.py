# SPDX-License-Identifier: Apache-2.0
"""A bridge with guests' ports in a network namespace, and virtnwfilterd in it."""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from tests.interop.conftest import Virtnwfilterd
from tests.interop.namespace import NetworkNamespace

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"

#: The ends of three guests' links are ``g0`` to ``g2``, their ports ``vnet0`` to ``vnet2``.
LINKS = """
ip link add br0 type bridge forward_delay 0 mcast_snooping 0
for number in 0 1 2; do
    ip link add vnet$number type veth peer name g$number
    ip link set vnet$number master br0
    for name in vnet$number g$number; do
        echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6
        ip link set $name up
    done
done
echo 1 > /proc/sys/net/ipv6/conf/br0/disable_ipv6
ip link set br0 up
"""

#: Sends a frame at the end of a link, again and again, until it arrives at another, or not.
_SEND = """
import socket, sys, time
frame, tries = bytes.fromhex(sys.argv[3]), int(sys.argv[4])
ends = []
for name in sys.argv[1:3]:
    ends.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    ends[-1].bind((name, 0))
for _ in range(tries):
    ends[0].send(frame)
    end = time.monotonic() + 0.1
    while (left := end - time.monotonic()) > 0:
        ends[1].settimeout(left)
        try:
            if ends[1].recv(2000)[:len(frame)] == frame:
                raise SystemExit(0)
        except TimeoutError:
            break
raise SystemExit(9)
"""


class Filtering(Virtnwfilterd):
    """The daemon, in a network of its own."""

    def __init__(self, root: Path, network: NetworkNamespace) -> None:
        super().__init__(root, network.prefix)
        self.network = network

    def arrives(self, sender: str, receiver: str, frame: bytes, tries: int = 2) -> bool:
        """Whether a frame that is sent at one link's end comes out at another's."""
        words = [sys.executable, "-c", _SEND, sender, receiver, frame.hex(), str(tries)]
        done = subprocess.run([*self.network.prefix, *words], timeout=30, check=False)
        assert done.returncode in (0, 9)
        return done.returncode == 0

    def tables(self) -> str:
        """All rules of the kernel."""
        done = subprocess.run(
            [*self.network.prefix, "nft", "list", "ruleset"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        return done.stdout

    @property
    def records(self) -> list[str]:
        """The files of bindings."""
        return sorted(path.name for path in self.root.glob("run/libvirt/nwfilter-binding/*"))


@contextmanager
def filtering() -> Iterator[Filtering]:
    """The daemon, running until the end of the block."""
    root = Path(tempfile.mkdtemp(prefix="vf"))
    with NetworkNamespace(LINKS) as network:
        daemon = Filtering(root, network)
        daemon.start()
        try:
            yield daemon
        finally:
            if daemon.process is not None:
                assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
            shutil.rmtree(root)


def binding(*parameters: tuple[str, str], name: str = "clean-traffic", port: str = "vnet0") -> str:
    """The document of a binding of the guest with :data:`MAC`."""
    values = "".join(f"<parameter name='{key}' value='{value}'/>" for key, value in parameters)
    return (
        "<filterbinding><owner><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
        f"</owner><portdev name='{port}'/><mac address='{MAC}'/>"
        f"<filterref filter='{name}'>{values}</filterref></filterbinding>"
    )


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def packet(address: str, source: str = MAC, ports: tuple[int, int] = (1000, 2000)) -> bytes:
    """A datagram from *address*."""
    head = bytes.fromhex("4500002e0000400040110000") + IPv4Address(address).packed
    head += IPv4Address("10.0.0.9").packed
    total = sum(int.from_bytes(head[at : at + 2], "big") for at in range(0, 20, 2))
    checksum = ~(total + total // 0x10000) & 0xFFFF
    body = struct.pack("!HHHH", *ports, 26, 0) + bytes(18)
    ethernet = b"\xff" * 6 + _mac(source) + b"\x08\x00"
    return ethernet + head[:10] + checksum.to_bytes(2, "big") + head[12:] + body


def arp(address: str, source: str = MAC) -> bytes:
    """A request that says that *address* is at *source*."""
    body = bytes.fromhex("0001080006040001") + _mac(source) + IPv4Address(address).packed
    body += bytes(6) + IPv4Address("10.0.0.9").packed
    return (b"\xff" * 6 + _mac(source) + b"\x08\x06" + body).ljust(60, b"\0")


def dhcp(kind: int, client: str = "0.0.0.0", given: str = "0.0.0.0") -> bytes:
    """What the guest says by DHCP; 7 gives a lease back, 5 (ACK) is a server's word."""
    addresses = IPv4Address(client).packed + IPv4Address(given).packed
    body = b"\x01\x01\x06\0" + bytes(8) + addresses + bytes(8) + _mac(MAC) + bytes(202)
    body += b"\x63\x82\x53\x63" + bytes((53, 1, kind, 51, 4, 0, 0, 1, 0, 255))
    datagram = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH8s", 69, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes(8))
    total = sum(int.from_bytes(head[at : at + 2], "big") for at in range(0, 20, 2))
    checksum = (~(total + total // 0x10000) & 0xFFFF).to_bytes(2, "big")
    ethernet = b"\xff" * 6 + _mac(MAC) + b"\x08\x00"
    return ethernet + head[:10] + checksum + head[12:] + datagram
