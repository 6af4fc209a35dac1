# SPDX-License-Identifier: Apache-2.0
"""Block jobs by virsh on libvirtd 9 and on ours: what it says to each line, and its exit status."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

#: With A and B in place of the directories of the images of the two disks.
LINES = """
domblklist web --details
blockpull web vda --base A/mid1.q --wait --verbose
blockpull web vda --wait --verbose --timeout 60
blockpull web vda --async --wait --verbose
blockjob web vda
blockjob web vda --info
blockjob web vda --abort
blockpull web vdz
blockcommit web vdb --top B/mid1.q --base B/base.q --wait --verbose
blockcommit web vdb
blockcommit web vdb --active --wait --verbose
blockjob web vdb
blockjob web vdb --raw
blockjob web vdb --info --bytes
blockjob web vdb 5
blockjob web vdb --info
blockjob web vdb --abort
blockcommit web vdb --active --shallow --pivot --verbose
blockcommit web vdb --active --wait --keep-overlay --verbose
blockcopy web vda A/copy.q --wait --verbose
blockcopy web vda A/copy.q --transient-job --wait --verbose --granularity 65536
blockjob web vda
blockcopy web vda A/other.q --transient-job
blockjob web vda --pivot
blockcopy web vda A/back.img --format raw --transient-job --wait --finish --verbose
blockcopy web vda A/next.q --format qcow2 --transient-job --wait --pivot --verbose
blockcopy web vda A/next.q --transient-job --wait --pivot --verbose
domblklist web --details
domblklist web --details --inactive
"""


def images(place: Path) -> None:
    place.mkdir(mode=0o755)
    names = ("base.q", "mid1.q", "mid2.q", "top.q")
    for number, name in enumerate(names):
        behind = ["-b", names[number - 1], "-F", "qcow2", name] if number else [name, "2M"]
        words = ["qemu-img", "create", "-q", "-f", "qcow2", *behind]
        subprocess.run(words, cwd=place, check=True, timeout=20)
        words = ["qemu-io", "-f", "qcow2", "-c", f"write -P {number + 1} {number * 256}k 512k"]
        subprocess.run([*words, name], cwd=place, check=True, timeout=20, capture_output=True)


def said(uri: str, directory: Path) -> list[tuple[str, int, str, str]]:
    """What virsh says to each line; of a progress only the last figure."""
    places = {"A": directory / "virsh-a", "B": directory / "virsh-b"}
    for place in places.values():
        images(place)
    document = directory / "web.xml"
    disks = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{place}/top.q'/><target dev='{target}' bus='virtio'/></disk>"
        for target, place in zip(("vda", "vdb"), places.values(), strict=True)
    )
    document.write_text(
        "<domain type='qemu'><name>web</name><memory unit='MiB'>16</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<devices>{disks}<memballoon model='none'/></devices></domain>"
    )
    told = []
    before, after = [f"define {document}", "start web --paused"], ["destroy web", "undefine web"]
    for line in [*before, *LINES.strip().splitlines(), *after]:
        words = [str(places[w[0]]) + w[1:] if w[:2] in ("A/", "B/") else w for w in line.split()]
        done = subprocess.run(
            ["virsh", "-c", uri, *words], capture_output=True, text=True, timeout=60
        )
        # Times of a line's progress depend on the host; its last figure does not.
        output = done.stdout.rpartition("\r")[2].strip()
        error = done.stderr.rpartition("\r")[2].strip().partition(": ")[0]
        output = re.sub("-{9,}", "---", output.replace(str(directory), "DIR"))
        told.append((line.split(" /")[0], done.returncode, output, error))
    return told


def test_virsh_says_the_same(libvirtd: Libvirtd, virtqemud: Any) -> None:
    with ThreadPoolExecutor(2) as both:
        one = both.submit(said, libvirtd.uri, libvirtd.directory)
        other = both.submit(said, virtqemud.uri(), virtqemud.root)
        theirs, ours = one.result(), other.result()
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
    refused = [line for line, code, _, _ in ours if code]
    assert len(refused) < 10, refused
