# SPDX-License-Identifier: Apache-2.0
"""What the daemons of networks keep of root's rights: theirs, and those of what they start."""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.interop.conftest import (
    Virtinterfaced,
    Virtlockd,
    Virtlogd,
    Virtnetworkd,
    Virtnwfilterd,
    Virtsecretd,
)
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from virloom.daemons import (
    virtinterfaced,
    virtlockd,
    virtlogd,
    virtnetworkd,
    virtnwfilterd,
    virtsecretd,
)

pytestmark = needs("dnsmasq", root=True)

NETWORK = """<network><name>n</name><forward mode='nat'/><bridge name='virbr3'/>
<ip address='10.63.0.1' prefix='24'><dhcp><range start='10.63.0.2' end='10.63.0.9'/></dhcp></ip>
<ip family='ipv6' address='fd63::1' prefix='64'/>
<bandwidth><inbound average='1000'/><outbound average='1000'/></bandwidth></network>"""
BINDING = """<filterbinding><owner><name>g</name>
<uuid>0b2d1d3e-0000-4000-8000-000000000009</uuid></owner><portdev name='tap9'/>
<mac address='52:54:00:00:63:09'/><filterref filter='clean-traffic'/></filterbinding>"""

#: ``CAP_SYS_ADMIN``, ``CAP_SYS_MODULE`` and ``CAP_SYS_PTRACE``: whoever has one of them has all.
_MIGHTY = 1 << 21 | 1 << 16 | 1 << 19


def status(pid: int | str) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s*(\S+)", text, re.MULTILINE))


def kept(pid: int | str) -> set[int]:
    """The permitted and effective rights, and those that a program could gain."""
    told = status(pid)
    return {int(told[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")}


def test_rights_of_the_daemons_and_of_their_children() -> None:
    root = Path(tempfile.mkdtemp(prefix="vr"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        host = stack.enter_context(NetworkNamespace("ip tuntap add tap9 mode tap"))
        kinds = (Virtnetworkd, Virtinterfaced, Virtnwfilterd)
        daemons = networks, interfaces, filters = [kind(root, host.prefix) for kind in kinds]
        for daemon in daemons:
            daemon.start()
            stack.callback(daemon.signal, signal.SIGTERM)
        for program, daemon in zip(
            (virtnetworkd, virtinterfaced, virtnwfilterd), daemons, strict=True
        ):
            rights = program.SPEC.rights
            assert rights is not None
            assert kept(daemon.pid) == {rights.mask}
            assert not rights.mask & _MIGHTY
            assert status(daemon.pid)["NoNewPrivs"] == str(int(not rights.gains))
        # All of it can be done with these rights.
        (root / "document.xml").write_text(NETWORK)
        networks.virsh("net-create", str(root / "document.xml"))
        pid = (root / "run/libvirt/network/n.pid").read_text().strip()
        mask = virtnetworkd.SPEC.rights.mask if virtnetworkd.SPEC.rights else 0
        assert int(status(pid)["CapBnd"], 16) == mask
        assert int(status(pid)["CapPrm"], 16) & ~mask == 0
        networks.virsh("net-destroy", "n")
        (root / "document.xml").write_text(BINDING)
        filters.virsh("nwfilter-binding-create", str(root / "document.xml"))
        filters.virsh("nwfilter-binding-delete", "tap9")
        assert "lo" in interfaces.virsh("iface-list", "--all")
        assert not any("keeps more rights" in daemon.log() for daemon in daemons)


def test_rights_of_the_daemons_of_secrets_logs_and_leases() -> None:
    """What they do with them is shown by the tests of what they do."""
    root = Path(tempfile.mkdtemp(prefix="vr"))
    ours = int(status("self")["CapBnd"], 16)  # a container may have less than all
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        for program, kind in (
            (virtsecretd, Virtsecretd),
            (virtlogd, Virtlogd),
            (virtlockd, Virtlockd),
        ):
            daemon = kind(root)
            daemon.start()
            stack.callback(daemon.signal, signal.SIGTERM)
            rights = program.SPEC.rights
            assert rights is not None
            assert kept(daemon.pid) == {rights.mask & ours}
            assert not rights.mask & _MIGHTY
            assert status(daemon.pid)["NoNewPrivs"] == "1"
            assert "keeps more rights" not in daemon.log()
