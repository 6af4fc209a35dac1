# SPDX-License-Identifier: Apache-2.0
"""virtqemud is killed at each step of a guest's cards: nothing is left behind, and nothing lost."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import STEP, Virtnwfilterd, Virtqemud
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.test_ethernet_cards import USB
from tests.interop.test_guests_on_networks import NETWORK, Host
from tests.interop.test_switched_cards import asked, ports, space
from virloom.drivers.qemu.process.steps import CARD_STEPS
from virloom.testing.documents import paused_guest_xml

__all__ = ["space"]  # a fixture

pytestmark = [
    *needs("dnsmasq", root=True),
    *needs("ovs-vswitchd", root=True),
    pytest.mark.long,
    pytest.mark.timeout(600),
]

_DAEMON = """
import os, signal, sys
from virloom.daemons.virtqemud import main
from virloom.drivers.qemu.process.steps import observed
step = sys.argv.pop(1)
def die_at(reached):
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)
with observed(die_at):
    raise SystemExit(main())
"""
FILTER = """<filter name='quiet'><rule action='drop' direction='out'>
<mac srcmacaddr='52:54:00:00:00:99'/></rule></filter>"""
#: Of each kind of card, what is between its address and its model.
KINDS = {
    "network": "<source network='default'/><bandwidth><outbound average='500'/></bandwidth>",
    "bridge": "<source bridge='plain'/><filterref filter='quiet'/>",
    "direct": "<source dev='far' mode='bridge'/>",
    "openvswitch": "<source bridge='switch'/><virtualport type='openvswitch'/>"
    "<bandwidth><inbound average='900'/></bandwidth>",
    "ethernet": "<script path='/bin/true'/><downscript path='{root}/down'/>",
}
#: Of a start, beside those of its cards.
STARTING = ("files-opened", "spawned", "configured")
STOPPING = ("stopping-recorded", "ended", "released", "record-removed")
PLUGGING = ("device-noted", "before-netdev_add", "before-device_add")


class Mortal(Virtqemud):
    """A daemon that ends at a step; without one it is as any."""

    step = ""

    @property
    def command(self) -> list[str]:
        words = [sys.executable, "-c", _DAEMON, self.step or "never"]
        return [*self.prefix, *words, "--root", str(self.root)]

    def dies(self, *words: str) -> None:
        """It ends by a command of virsh's, and another one comes."""
        self.try_virsh(*words)
        assert self.process is not None
        assert self.process.wait(STEP) == -signal.SIGKILL, f"{self.step}: {self.log()}"
        self.step = ""
        self.start()

    def restarted(self, step: str) -> None:
        """It is exchanged for one that ends at the step."""
        assert self.signal(signal.SIGTERM) == 0
        self.step = step
        self.start()


@pytest.fixture
def host(space: NetworkNamespace) -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="kc"))
    root.chmod(0o755)
    (root / "down").write_text(f"#!/bin/sh\necho $1 >> {root}/down.log\n")
    (root / "down").chmod(0o755)
    made = Host(space, root)
    made.qemu = Mortal(root, space.prefix)
    filters = Virtnwfilterd(root, space.prefix)
    for daemon in (filters, made.networks, made.qemu):
        daemon.start()
    made.virsh("net-define", made.document(NETWORK))
    made.virsh("net-start", "default")
    made.virsh("nwfilter-define", made.document(FILTER))
    try:
        yield made
    finally:
        for name in made.virsh("list", "--name").split():
            made.virsh("destroy", name)
        made.virsh("net-destroy", "default")
        for daemon in (made.qemu, made.networks, filters):
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
    shutil.rmtree(root)


def cards(host: Host, kinds: tuple[str, ...] = tuple(KINDS), model: str = "virtio") -> str:
    """A card of each kind."""
    made = ""
    for number, kind in enumerate(KINDS):
        if kind in kinds:
            name = "bridge" if kind == "openvswitch" else kind
            place = f"<address type='usb' bus='0' port='{kinds.index(kind) + 1}'/>"
            made += (
                f"<interface type='{name}'><mac address='52:54:00:00:ff:0{number}'/>"
                f"{KINDS[kind].format(root=host.root)}<model type='{model}'/>"
                f"{place if model == 'usb-net' else ''}</interface>"
            )
    return made


def traces(host: Host) -> list[str]:
    """All that there is for cards of guests, on the host and with other daemons."""
    links = [name for name in host.links() if name.startswith(("vnet", "macvtap", "ifb"))]
    lists = [
        path.name
        for path in (host.root / "run/libvirt/qemu").iterdir()
        if path.suffix in (".ports", ".filters", ".partings")
    ]
    bound = host.virsh("nwfilter-binding-list").splitlines()[2:]
    limits = asked(host, "--columns=_uuid", "find", "queue").split()
    switched = [port for port in ports(host) if port != "wire"]
    return [*links, *lists, *bound, *limits, *switched, *host.ports()]


def test_a_start_and_a_stop(host: Host) -> None:
    assert isinstance(host.qemu, Mortal)
    text = paused_guest_xml("killed", machine="pc", extra_devices=cards(host))
    host.virsh("define", host.document(text))
    for step in (*CARD_STEPS, *STARTING):
        host.qemu.restarted(step)
        host.qemu.dies("start", "killed", "--paused")
        assert host.virsh("domstate", "killed") == "shut off", step
        assert traces(host) == [], step
    for step in STOPPING:
        host.virsh("start", "killed", "--paused")
        assert len(host.ports()) == 1
        host.qemu.restarted(step)
        host.qemu.dies("destroy", "killed")
        assert host.virsh("domstate", "killed") == "shut off", step
        assert traces(host) == [], step
    assert len((host.root / "down.log").read_text().splitlines()) >= len(STOPPING)


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_that_is_plugged_and_taken_out(host: Host, kind: str) -> None:
    assert isinstance(host.qemu, Mortal)
    card = cards(host, (kind,), "usb-net")
    text = paused_guest_xml("plugged", machine="pc", extra_devices=USB)
    host.virsh("create", host.document(text), "--paused")
    for step in (*CARD_STEPS, *PLUGGING):
        host.qemu.restarted(step)
        host.qemu.dies("attach-device", "plugged", host.document(card), "--live")
        assert "<interface" not in host.virsh("dumpxml", "plugged"), step
        assert traces(host) == [], step
    host.qemu.restarted("device-plugged")
    host.qemu.dies("attach-device", "plugged", host.document(card), "--live")
    _is_whole(host, "device-plugged")
    for step in ("device-gone", "device-dropped"):
        host.qemu.restarted(step)
        host.qemu.dies("detach-device", "plugged", host.document(card), "--live")
        assert "<interface" not in host.virsh("dumpxml", "plugged"), step
        assert traces(host) == [], step
        host.virsh("attach-device", "plugged", host.document(card), "--live")
        _is_whole(host, step)


def _is_whole(host: Host, step: str) -> None:
    """What its document says of the card's other end there is, and is all that there is."""
    assert host.virsh("dumpxml", "plugged").count("<interface") == 1, step
    left = traces(host)
    assert left, step
    assert len([name for name in left if name.startswith(("vnet", "macvtap"))]) >= 1, step
