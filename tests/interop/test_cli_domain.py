# SPDX-License-Identifier: Apache-2.0
"""Commands that change domains, beside virsh: on the test driver, and on QEMU's with a guest."""

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
    needs_virsh,
    run,
    run_here,
    without_progress,
    write_all,
)

pytestmark = needs_virsh

_HOST = """<node><domain type='test'><name>test</name>
<uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
<maxMemory slots='4' unit='KiB'>16777216</maxMemory><memory unit='KiB'>8388608</memory>
<currentMemory unit='KiB'>2097152</currentMemory><vcpu current='2'>4</vcpu><iothreads>2</iothreads>
<os><type arch='x86_64'>hvm</type></os>
<cpu><numa><cell id='0' cpus='0-3' memory='8257536' unit='KiB'/></numa></cpu><devices>
<disk type='file' device='disk'><source file='/guest/diskimage1'/><target dev='vda' bus='virtio'/>
</disk><disk type='file' device='cdrom'><source file='/guest/cd.iso' startupPolicy='optional'/>
<target dev='hdc' bus='ide'/><readonly/></disk>
<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>
<interface type='network'><mac address='aa:bb:cc:dd:ee:ff'/><source network='default'/>
<target dev='testnet0'/></interface>
<interface type='network'><mac address='aa:bb:cc:dd:ee:fe'/><source network='default'/>
<target dev='testnet1'/></interface>
<interface type='bridge'><mac address='aa:bb:cc:dd:ee:fd'/><source bridge='br0'/>
<link state='down'/></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<memory model='virtio-mem'><target><size unit='KiB'>131072</size><node>0</node>
<block unit='KiB'>2048</block><requested unit='KiB'>0</requested></target></memory>
</devices></domain><domain type='test'><name>off</name>
<uuid>6695eb01-f6a4-8304-79aa-97f2502e1930</uuid><memory unit='KiB'>8388608</memory>
<currentMemory unit='KiB'>2097152</currentMemory><vcpu>2</vcpu>
<os><type arch='i686'>hvm</type></os></domain></node>
"""

#: The host has it; tests that run beside these have their own.
_TAP = f"vl{os.getpid()}"

_GUEST = """<domain type='qemu'><name>domain-g</name>
<uuid>d0d0d0d0-0000-4000-8000-000000000001</uuid>
<maxMemory slots='4' unit='KiB'>1048576</maxMemory><memory unit='KiB'>131072</memory>
<currentMemory unit='KiB'>65536</currentMemory><vcpu current='1'>2</vcpu><iothreads>2</iothreads>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<cpu><numa><cell id='0' cpus='0-1' memory='65536' unit='KiB'/></numa></cpu>
<pm><suspend-to-mem enabled='yes'/></pm><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='DIR/top.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='DIR/b.raw'/>
<target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='DIR/c.iso'/>
<target dev='hdc' bus='ide'/><readonly/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<interface type='ethernet'><mac address='52:54:00:00:00:02'/><target dev='TAP'/>
<model type='virtio'/></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<memory model='dimm'><target><size unit='KiB'>65536</size><node>0</node></target></memory>
<memory model='virtio-mem'><target><size unit='KiB'>65536</size><node>0</node>
<block unit='KiB'>2048</block><requested unit='KiB'>0</requested></target></memory>
</devices></domain>
"""

_FILES = {
    "host.xml": _HOST,
    "nic.xml": (
        "<interface type='network'><mac address='52:54:00:00:00:11'/>"
        "<source network='default'/></interface>\n"
    ),
    "disk.xml": (
        "<disk type='file' device='disk'><source file='/guest/x'/>"
        "<target dev='vdb' bus='virtio'/></disk>\n"
    ),
    "bad.xml": "<foo\n",
    "keys": "ssh-rsa AAA a\n# c\n\nssh-rsa BBB b\n",
}
_IMAGES = {"base.qcow2": "64M", "b.raw": "8M", "n.raw": "8M", "c.iso": "2M", "c2.iso": "2M"}


class Domains:
    """A libvirtd with a file for its test driver, and with a guest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # QEMU's user reaches its images through here.
        directory.chmod(0o755)
        write_all(
            directory,
            {**_FILES, "guest.xml": _GUEST.replace("DIR", str(directory)).replace("TAP", _TAP)},
        )
        for name, size in _IMAGES.items():
            _create(directory / name, size)
        _create(directory / "top.qcow2", "-b", "base.qcow2", "-F", "qcow2")
        self.libvirtd = Libvirtd(directory)
        self.libvirtd.await_socket()
        self.test_uri = f"test+unix://{directory}/host.xml?socket={self.libvirtd.socket}"
        started = self.both(self.libvirtd.uri, "define guest.xml; start domain-g", only_virsh=True)
        assert started[0].code == 0, started[0].errors

    def both(self, uri: str, line: str, *, only_virsh: bool = False) -> list[Told]:
        """What virsh says of a line, and what ours does."""
        line = line.replace("DIR", str(self.directory)).replace("OWN", self.libvirtd.uri)
        told = [run("virsh", uri, line, self.directory)]
        if not only_virsh:
            told.append(run_here(uri, line, self.directory))
        return told

    def end(self) -> None:
        """Ends the guest, then the libvirtd."""
        self.both(self.libvirtd.uri, "destroy domain-g", only_virsh=True)
        self.libvirtd.end()


def _create(image: Path, *options: str) -> None:
    kind = "qcow2" if image.suffix == ".qcow2" else "raw"
    base = [option for option in options if not option[0].isdigit()]
    size = [option for option in options if option[0].isdigit()]
    command = ["qemu-img", "create", "-q", "-f", kind, *base, image, *size]
    subprocess.run(command, check=True, cwd=image.parent)
    image.chmod(0o666)


@pytest.fixture(scope="module")
def domains() -> Iterator[Domains]:
    with tempfile.TemporaryDirectory(prefix="vl-") as name:
        found = Domains(Path(name))
        try:
            yield found
        finally:
            found.end()


@pytest.mark.parametrize("line", lines_of("domain_test"))
def test_on_the_test_driver_a_line_prints_what_virsh_prints(domains: Domains, line: str) -> None:
    theirs, ours = domains.both(domains.test_uri, line)
    assert ours == theirs, line


@pytest.mark.parametrize("line", lines_of("domain_qemu"))
def test_on_qemus_driver_a_line_prints_what_virsh_prints(domains: Domains, line: str) -> None:
    theirs, ours = domains.both(domains.libvirtd.uri, line.replace("TAP", _TAP))
    assert without_progress(ours) == without_progress(theirs), line
