# SPDX-License-Identifier: Apache-2.0
"""What passes a network's rules is what passes those of libvirtd 9.

Some documents are tried each time; ``VIRLOOM_ALL_EFFECTS=FILE`` tries all, and writes a table.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import Virtnetworkd
from tests.interop.effect.documents import BRIDGE, documents
from tests.interop.effect.filters import path
from tests.interop.effect.probes import Probe
from tests.interop.effect.scene import NEIGHBOUR, Surroundings, probes_of
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.sync.connection import Connection

pytestmark = [*needs_libvirtd, *needs("dnsmasq", root=True)]
TABLE = os.environ.get("VIRLOOM_ALL_EFFECTS")
SOME = ("none-both", "nat-both-six", "nat-many-six-all")
#: A document and its probes; what becomes of each.
Side = Callable[[str, tuple[str, ...], list[Probe]], list[str]]


@contextmanager
def side(around: Surroundings, uri: str) -> Iterator[Side]:
    """A function that gives what becomes of each probe, with a document's network on one side."""
    with virloom.open_sync(uri) as conn:
        neighbour = conn.networks.create_xml(NEIGHBOUR)
        try:
            yield _side(around, conn)
        finally:  # or its dnsmasq outlives the daemon
            neighbour.destroy()


def _side(around: Surroundings, conn: Connection) -> Side:
    around.plug("other", "virbr2", ("10.200.0.1/24", "fdc8::1/64"))
    around.spaces["other"].run("ip", "address", "add", "10.200.0.50/24", "dev", "eth0")
    around.spaces["other"].run("ip", "address", "add", "fdc8::50/64", "dev", "eth0", "nodad")

    def effects(document: str, addresses: tuple[str, ...], probes: list[Probe]) -> list[str]:
        network = conn.networks.create_xml(document)
        try:
            around.plug("client", BRIDGE, addresses)
            return around.ask(probes)
        finally:
            network.destroy()

    return effects


@pytest.fixture
def sides() -> Iterator[dict[str, Side]]:
    """libvirtd's, and ours with either of the host's packet filters."""
    root = Path(tempfile.mkdtemp(prefix="vn"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        made = {}
        around = stack.enter_context(Surroundings())
        (root / "libvirt").mkdir()
        libvirtd = Libvirtd(root / "libvirt", prefix=around.spaces["host"].prefix)
        stack.callback(libvirtd.end)
        made["libvirt"] = (around, libvirtd.uri)
        for name in ("nft", "iptables"):
            around = stack.enter_context(Surroundings())
            (root / name).mkdir()
            daemon = Virtnetworkd(root / name, (*around.spaces["host"].prefix, *path(root, name)))
            daemon.start()
            stack.callback(daemon.signal, signal.SIGTERM)
            made[name] = (around, daemon.uri())
        libvirtd.await_socket()
        yield {name: stack.enter_context(side(around, uri)) for name, (around, uri) in made.items()}


@pytest.mark.long
def test_the_same_passes(sides: dict[str, Side]) -> None:
    tried, different, lines = 0, [], []
    for number, (name, (document, addresses)) in enumerate(documents().items()):
        if TABLE is None and name not in SOME:
            continue
        probes = probes_of(addresses, 600 + number)
        theirs = sides["libvirt"](document, addresses, probes)
        tried += len(probes)
        lines += [f"{name}: {one}: {answer}" for one, answer in zip(probes, theirs, strict=True)]
        for backend in ("nft", "iptables"):
            ours = sides[backend](document, addresses, probes)
            for probe, their, our in zip(probes, theirs, ours, strict=True):
                if their != our and not stricter(probe, our):
                    if "<port" not in document and by_chance(their, our):
                        continue
                    different.append(f"{name}: {probe}: {their}, but {our} with {backend}")
    if TABLE is not None:
        Path(TABLE).write_text("\n".join([f"{tried} probes", *lines, *different, ""]))
    assert tried > 100
    assert different == []


def by_chance(their: str, our: str) -> bool:
    """Whether one port came to lie in a range of which the other one could have been, too.

    Where the network says no range, translation takes any high port: of some hundred such probes
    one lies from 2000 to 2100. Of a network that says one this is not asked.
    """
    range_, high = "by a 2000-2100 port", "by a high port"
    return their.replace(range_, high) == our.replace(range_, high)


def stricter(probe: Probe, our: str) -> bool:
    """Whether ours refuses at once what another network takes in that does not translate.

    libvirtd's chains are all networks': what one accepts, others are not asked. So packets get
    there whose answers do not come back. We ask both networks.
    """
    return (probe.who, probe.to, our) == ("client", "other", "ECONNREFUSED")
