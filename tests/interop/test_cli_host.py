# SPDX-License-Identifier: Apache-2.0
"""Commands about a host and its domains, beside virsh, on a real libvirtd's QEMU driver."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.reference import Libvirtd
from tests.interop.side_by_side import (
    Told,
    lines_of,
    masked,
    needs_virsh,
    run,
    run_here,
    without_progress,
)

pytestmark = needs_virsh

_GUEST = """<domain type='qemu'><name>beside</name>
<uuid>11111111-2222-3333-4444-555555555555</uuid><title>A title</title>
<description>Two
lines</description><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<serial type='pty'/><graphics type='vnc' port='{port}' passwd='xx'/></devices></domain>
"""

#: Several libvirtds on a host, each with its own list of free ports, would meet on one.
_VNC_PORT = 6000 + os.getpid() % 4000
_LINES = lines_of("host")
_EDITOR = {"EDITOR": "true", "VISUAL": "true"}


class Host:
    """A libvirtd with a running guest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.libvirtd = Libvirtd(directory)
        self.libvirtd.await_socket()
        self.uri = self.libvirtd.uri
        disk = directory / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "10M"], check=True)
        disk.chmod(0o666)
        # QEMU's user reaches it through here.
        directory.chmod(0o755)
        self.places = {name: str(directory / name) for name in ("guest", "caps", "domcaps")}
        self.places |= {"core": "/dev/null/core", "picture": str(directory / "picture")}
        Path(self.places["guest"]).write_text(_GUEST.format(disk=disk, port=_VNC_PORT))
        for name, line in (("caps", "capabilities"), ("domcaps", "domcapabilities")):
            Path(self.places[name]).write_text(self.by_virsh(line).output)
        started = self.by_virsh(f"define {self.places['guest']}; start beside")
        assert started.code == 0, started.errors

    def by_virsh(self, line: str, *options: str) -> Told:
        """The line as virsh runs it, with an editor that changes nothing."""
        return run("virsh", self.uri, line, self.directory, *options, **_EDITOR)

    def by_virloom(self, line: str, *options: str) -> Told:
        """The line as our command runs it."""
        return run_here(self.uri, line, self.directory, *options, **_EDITOR)

    def end(self) -> None:
        """Ends the guest, then the libvirtd."""
        self.by_virsh("destroy beside")
        self.libvirtd.end()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="vl-") as name:
        found = Host(Path(name))
        try:
            yield found
        finally:
            found.end()


@pytest.mark.parametrize("line", _LINES)
def test_a_line_prints_what_virsh_prints(host: Host, line: str) -> None:
    line = line.format(**host.places)
    theirs, ours = host.by_virsh(line), host.by_virloom(line)
    moments = (r"^CPU time:.*$", r"domain--?\d+-beside")
    assert masked(ours, *moments) == masked(theirs, *moments)


def test_figures_of_the_moment_have_virshs_form(host: Host) -> None:
    lines = "freecell; freecell --all; freepages --all; nodememstats; nodecpustats; dommemstat 1"
    digits = (r"[0-9]+", r" +")
    assert masked(host.by_virloom(lines), *digits) == masked(host.by_virsh(lines), *digits)


def test_saving_and_restoring(host: Host) -> None:
    # Each runs the whole round, at the end of which the guest runs as before.
    image = f"{host.places['guest']}.image"
    line = (
        f"save beside {image} --verbose; list --all; save-image-dumpxml {image}"
        f" --xpath //name; save-image-edit {image}; restore {image} --paused;"
        " resume beside; managedsave beside; list --all --managed-save; managedsave-edit beside;"
        " start beside; list --name"
    )
    numbers = r"^ [0-9]+ "
    ours, theirs = host.by_virloom(line), host.by_virsh(line)
    assert ours.errors.endswith("\rSave: [100 %]")
    assert masked(without_progress(ours), numbers) == masked(without_progress(theirs), numbers)


@pytest.mark.parametrize("options", [("-q",), ("-r",)])
def test_quiet_and_read_only(host: Host, options: tuple[str, ...]) -> None:
    line = "list; domblklist 1; suspend beside; resume beside; hostname; dommemstat beside"
    assert masked(host.by_virloom(line, *options), r"[0-9]+") == masked(
        host.by_virsh(line, *options), r"[0-9]+"
    )
