# SPDX-License-Identifier: Apache-2.0
"""Which way each limit of a guest's card is: libvirtd 9 beside us, by what ``tc`` has then.

What is sent to a link's other end a class limits, what comes from there the link's ingress: so a
limit that is the wrong way round is seen.
"""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

_SETUP = """
ip link add br9 type bridge; ip address add 192.0.2.1/24 dev br9; ip link set br9 up
ip tuntap add mine mode tap vnet_hdr
ip link add wire type veth peer name far; ip link set wire up; ip link set far up
"""
_LIMITS = "<bandwidth><inbound average='1000'/><outbound average='300'/></bandwidth>"
_CARDS = {
    "tapb": "<interface type='bridge'><source bridge='br9'/><target dev='tapb'/>",
    "tape": "<interface type='ethernet'><target dev='tape'/>",
    "mine": "<interface type='ethernet'><target dev='mine' managed='no'/>",
    "macvtap0": "<interface type='direct'><source dev='wire' mode='bridge'/>",
}
#: This kernel has neither sfq nor police, without which libvirt limits nothing: its program ``tc``
#: only says what it was asked.
_TC = """#!/bin/sh
echo "$@" >> {said}
"""


#: A kilobyte is 1000 bytes for ``tc``; we say what libvirt means, and the kernel shows kilobits.
_RATES = {"1000kbps": "inbound", "300kbps": "outbound", "8Mbit": "inbound", "2400Kbit": "outbound"}


def document() -> str:
    cards = "".join(
        f"{card}{_LIMITS}<model type='virtio'/></interface>" for card in _CARDS.values()
    )
    return paused_guest_xml("limited", machine="pc", extra_devices=cards)


@pytest.mark.long
def test_which_way_limits_are() -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sl")))
        place.chmod(0o755)
        space = stack.enter_context(NetworkNamespace(_SETUP))
        for name in ("libvirt", "ours", "bin"):
            (place / name).mkdir()
        program, said = place / "bin/tc", place / "said"
        program.write_text(_TC.format(said=said))
        program.chmod(0o755)
        path = f"PATH={program.parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        libvirtd = Libvirtd(place / "libvirt", prefix=["env", path], networks=True)
        stack.callback(libvirtd.end)
        virtqemud = Virtqemud(place / "ours", space.prefix)
        virtqemud.start()
        stack.callback(virtqemud.signal, signal.SIGTERM)
        libvirtd.await_socket()
        there = ["nsenter", "--target", str(libvirtd.process.pid), "--net"]
        subprocess.run([*there, "sh", "-ec", _SETUP], check=True)
        text = place / "guest.xml"
        text.write_text(document())
        for uri in (virtqemud.uri(), libvirtd.uri):
            virsh(uri, "create", str(text), "--paused")
            if uri == virtqemud.uri():
                ours = {link: space.run("tc", "class", "show", "dev", link) for link in _CARDS}
            virsh(uri, "destroy", "limited")
        asked = said.read_text()
    theirs = {link: "".join(re.findall(f"class add dev {link} .*", asked)) for link in _CARDS}
    expected = dict.fromkeys(_CARDS, "inbound") | {"macvtap0": "outbound"}
    assert {link: which(text) for link, text in theirs.items()} == expected
    assert {link: which(text) for link, text in ours.items()} == expected


def which(text: str) -> str:
    """The limit of a class, whoever tells it."""
    found = re.search(r" rate (\S+)", text)
    return _RATES[found[1]] if found else f"none: {text}"


def virsh(uri: str, *words: str) -> None:
    subprocess.run(["virsh", "-q", "-c", uri, *words], check=True)
