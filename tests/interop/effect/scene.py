# SPDX-License-Identifier: Apache-2.0
"""A host with two ways out, and who is on either side of it: each in a namespace of its own."""

from __future__ import annotations

import time
from contextlib import ExitStack
from ipaddress import ip_interface
from types import TracebackType

from tests.interop.effect.probes import Answer, Listeners, Probe, send
from tests.interop.namespace import NetworkNamespace

#: A network that is there all the time, by whose guest another network is reached, or is not.
NEIGHBOUR = """<network><name>other</name><forward mode='nat'/>
<bridge name='virbr2' stp='off' delay='0'/><ip address='10.200.0.1' prefix='24'/>
<ip family='ipv6' address='fdc8::1' prefix='64'/></network>"""
#: Who is where, by version of IP.
PLACES = {
    4: {"outside": "203.0.113.2", "second": "198.51.100.2", "other": "10.200.0.50"},
    6: {"outside": "2001:db8:1::2", "second": "2001:db8:2::2", "other": "fdc8::50"},
}
#: An address that is none of any network.
FOREIGN = {4: "10.99.0.50", 6: "fd99::50"}

_OUTSIDE = """
ip address add {four}.2/24 dev eth0; ip address add {six}::2/64 dev eth0 nodad
ip link set eth0 up; ip route add default via {four}.1; ip route add default via {six}::1
"""
_HOST = """
ip address add {four}.1/24 dev {device}; ip address add {six}::1/64 dev {device} nodad
ip link set {device} up
"""
_WAYS = (
    ("outside", "eth0", "203.0.113", "2001:db8:1"),
    ("second", "eth1", "198.51.100", "2001:db8:2"),
)


class Surroundings:
    """Namespaces around that of a host, where somebody's daemon makes networks."""

    def __init__(self) -> None:
        self.spaces: dict[str, NetworkNamespace] = {}

    def __enter__(self) -> Surroundings:
        with ExitStack() as stack:
            for name in ("host", "outside", "second", "client", "other"):
                self.spaces[name] = stack.enter_context(NetworkNamespace(_NOBODY))
            for name, device, four, six in _WAYS:
                self._wire(device, self.spaces[name])
                self.spaces["host"].run(
                    "sh", "-ec", _HOST.format(device=device, four=four, six=six)
                )
                self.spaces[name].run("sh", "-ec", _OUTSIDE.format(four=four, six=six))
            # What guests are translated to is the host's, though on none of its links.
            self.spaces["outside"].run("ip", "route", "add", "203.0.113.4/30", "via", "203.0.113.1")
            self.listeners = {
                name: stack.enter_context(Listeners(space.pid))
                for name, space in self.spaces.items()
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _wire(self, name: str, to: NetworkNamespace) -> None:
        self.spaces["host"].run(
            *("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0"),
            *("netns", str(to.pid)),
        )

    def plug(self, who: str, bridge: str, addresses: tuple[str, ...]) -> None:
        """Puts a guest on a bridge, with an address of each of its subnets, and one of none."""
        host, guest = self.spaces["host"], self.spaces[who]
        host.ask("ip", "link", "delete", f"tap-{who}")
        self._wire(f"tap-{who}", guest)
        host.run("ip", "link", "set", f"tap-{who}", "master", bridge, "up")
        lines = ["ip link set eth0 up"]
        lines += [f"ip address add {guest_of(text)} dev eth0 nodad" for text in addresses]
        lines += [f"ip address add {text} dev eth0 nodad" for text in _FOREIGN_PREFIXED]
        for version in (4, 6):
            mine = [text for text in addresses if ip_interface(text).version == version]
            if mine:
                gateway = mine[0].split("/")[0]
                lines.append(f"ip -{version} route replace default via {gateway}")
        guest.run("sh", "-ec", "\n".join(lines))
        self._await(who, addresses)

    def _await(self, who: str, addresses: tuple[str, ...]) -> None:
        """A port of a bridge forwards a moment after its link is up."""
        gateways = [text.split("/")[0] for text in addresses]
        deadline = time.monotonic() + 10
        probes = [Probe(who, None, "host", gateway, "icmp") for gateway in gateways]
        while set(self.ask(probes)) - {"ok"}:
            assert time.monotonic() < deadline, self.spaces["host"].run("ip", "address")

    def ask(self, probes: list[Probe]) -> list[Answer]:
        """Sends all probes at once; what becomes of each.

        Those without an answer are sent again: the kernel tells no more than some 50 refusals at
        a time, of all namespaces together.
        """
        pids = {name: space.pid for name, space in self.spaces.items()}
        answers = send(probes, pids, self.listeners)
        lost = [number for number, answer in enumerate(answers) if answer == "lost"]
        again = send([probes[number] for number in lost], pids, self.listeners)
        for number, answer in zip(lost, again, strict=True):
            answers[number] = answer
        return answers


#: Who pings needs no right, and each refusal is told: the kernel tells only some of many.
_NOBODY = """
echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
"""
_FOREIGN_PREFIXED = ("10.99.0.50/32", "fd99::50/128")


def guest_of(text: str) -> str:
    """The address of the guest in the subnet of a host's address, with the prefix length."""
    interface = ip_interface(text)
    return f"{interface.ip + 1}/{interface.network.prefixlen}"


def probes_of(addresses: tuple[str, ...], low: int) -> list[Probe]:
    """What is tried on a network of these addresses.

    Args:
        low: A port below 1024: another one each time, for the kernel goes on with what it knows.
    """
    found = []
    for text in addresses:
        version, guest = ip_interface(text).version, guest_of(text).split("/")[0]
        places = PLACES[version]
        for protocol in ("tcp", "udp", "icmp"):
            for name, address in places.items():
                found.append(Probe("client", guest, name, address, protocol))
                found.append(Probe(name, address, "client", guest, protocol))
            found.append(Probe("client", FOREIGN[version], "outside", places["outside"], protocol))
            found.append(Probe("client", guest, "host", text.split("/")[0], protocol))
            found.append(Probe("host", None, "client", guest, protocol))
        for protocol in ("tcp", "udp"):  # from a port of privileged programs
            found.append(Probe("client", guest, "outside", places["outside"], protocol, low))
    return found
