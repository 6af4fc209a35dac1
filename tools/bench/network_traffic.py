# SPDX-License-Identifier: Apache-2.0
"""What a machine on a NAT network sends to the outside, and gets from there, by iperf3."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from types import TracebackType
from typing import Self

from tests.interop.namespace import NetworkNamespace
from tools.bench.network_homes import Home

#: Seconds that iperf3 sends at a time.
_SECONDS = 2
_WAYS = {"out of a NAT network (Gbit/s)": (), "into it (Gbit/s)": ("-R",)}
_HOST = """
ip link add port type veth peer name eth0 netns {client}; ip link set port up
ip link add wan type veth peer name eth0 netns {outside}; ip link set wan up
ip address add 203.0.113.1/24 dev wan
ip link set port master virbr7
"""


class _Scene:
    """A NAT network of one home, a machine on it, and one that is outside; a context manager.

    Args:
        document: Of a network with bridge ``virbr7`` and 10.7.0.0/24.
    """

    def __init__(self, home: Home, document: str) -> None:
        self._home = home
        self._document = document
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._home.networks.networks.create_xml(self._document).destroy)
            client = self.client = stack.enter_context(NetworkNamespace("true"))
            outside = self.outside = stack.enter_context(NetworkNamespace("true"))
            self._home.sh(_HOST.format(client=client.pid, outside=outside.pid))
            for space, address in ((client, "10.7.0.2/24"), (outside, "203.0.113.2/24")):
                space.run("ip", "address", "add", address, "dev", "eth0")
                space.run("ip", "link", "set", "eth0", "up")
            client.run("ip", "route", "add", "default", "via", "10.7.0.1")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._stack.close()


def throughput(homes: Sequence[Home], document: str, count: int) -> dict[str, list[float]]:
    """Gbit/s in each direction, of each home the median: they are sent by in turn.

    Raises:
        AssertionError: iperf3 has not got through.
        VirloomError: There is no such network.
    """
    found: dict[str, list[list[float]]] = {way: [[] for _ in homes] for way in _WAYS}
    with ExitStack() as stack:
        scenes = [stack.enter_context(_Scene(home, document)) for home in homes]
        for _ in range(count):
            for way, options in _WAYS.items():
                for scene, kept in zip(scenes, found[way], strict=True):
                    kept.append(_rate(scene.client, scene.outside, *options))
    return {way: [median(rates) for rates in each] for way, each in found.items()}


def _rate(client: NetworkNamespace, outside: NetworkNamespace, *more: str) -> float:
    server = subprocess.Popen(
        [*outside.prefix, "iperf3", "-s", "-1", "--forceflush"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        for line in server.stdout:
            if b"listening" in line:
                break
        else:
            raise AssertionError("iperf3 serves nobody: is it installed?")
        words = ["iperf3", "-c", "203.0.113.2", "-t", str(_SECONDS), "-J", *more]
        told = json.loads(client.run(*words))
        assert "error" not in told, told["error"]
    finally:
        server.kill()  # with a client that did not come it waits for ever
        server.communicate()
    return float(told["end"]["sum_received"]["bits_per_second"]) / 1e9
