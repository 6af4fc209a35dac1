# SPDX-License-Identifier: Apache-2.0
"""Snapshots on libvirtd 9 and on ours: answers, events, trees, images and documents."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs_libvirtd, pytest.mark.timeout(300)]

SESSION = Path(__file__).parent / "sessions" / "snapshots.py"


def steps(uri: str, directory: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_session(libvirtd: Libvirtd, virtqemud: Any) -> None:
    # In a place that libvirt's QEMU, which is another user, may reach and write to.
    libvirtd.directory.chmod(0o777)
    with ThreadPoolExecutor() as both:  # libvirtd waits most of the time
        reference = both.submit(steps, libvirtd.uri, libvirtd.directory)
        ours = steps(virtqemud.uri(), virtqemud.root)
        theirs = reference.result()
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)


#: What a person does with a guest that is shut off, in one virsh.
LINES = """define guest.xml
snapshot-create-as snap a first
snapshot-create-as snap b --description second
snapshot-list snap --tree
snapshot-list snap --parent
snapshot-revert snap a
snapshot-create-as snap c --disk-only --diskspec vda,snapshot=external,file=DIR/c.qcow2
snapshot-list snap --tree
snapshot-list snap --external --name
snapshot-list snap --internal --leaves --name
snapshot-list snap --inactive --no-metadata
snapshot-current snap --name
snapshot-info snap a
snapshot-info snap c
snapshot-dumpxml snap c --xpath //disks
snapshot-dumpxml snap c --xpath /domainsnapshot/state
snapshot-parent snap c
snapshot-parent snap a
snapshot-edit snap a
snapshot-dumpxml snap a --xpath //description
snapshot-create-as snap d --live
snapshot-create-as snap a
snapshot-revert snap nix
domblklist snap
undefine snap
snapshot-delete snap b
snapshot-delete snap c --metadata
snapshot-delete snap nix
snapshot-list snap --tree
undefine snap --snapshots-metadata
snapshot-list snap
"""
GUEST = paused_guest_xml(
    "snap",
    extra_devices="<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='DIR/a.qcow2'/><target dev='vda' bus='virtio'/></disk>",
)


def said(uri: str, directory: Path) -> list[str]:
    """What virsh prints, without times and without the words of errors behind their kind."""
    place = directory / "virsh"
    place.mkdir(mode=0o777)
    (place / "guest.xml").write_text(GUEST.replace("DIR", str(place)))
    image = ["qemu-img", "create", "-q", "-f", "qcow2", str(place / "a.qcow2"), "1M"]
    subprocess.run(image, check=True)
    printed = []
    for line in LINES.replace("DIR", str(place)).splitlines():
        done = subprocess.run(
            ["virsh", "-c", uri, *line.split()], cwd=place, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", "EDITOR": "sed -i s/first/third/"},
        )  # fmt: skip
        output = f"{line}\n{done.returncode}\n{done.stdout}{done.stderr}"
        output = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "TIME", output)
        output = re.sub(r"-{9,}", "-", output)  # as wide as a path is long
        output = re.sub(r"(error: [^:\n]*:).*", r"\1", output)
        printed.append(output.replace(str(place), "DIR"))
    return printed


def test_the_same_lines(libvirtd: Libvirtd, virtqemud: Any) -> None:
    theirs = said(libvirtd.uri, libvirtd.directory)
    ours = said(virtqemud.uri(), virtqemud.root)
    different = [f"libvirt {a}\nours    {b}" for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(different)
