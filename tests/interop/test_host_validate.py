# SPDX-License-Identifier: Apache-2.0
"""virt-host-validate, ours and libvirt's: the same rows and verdicts on the same host."""

from __future__ import annotations

import re

import pytest

from tests.interop.programs import Done, needs, ours, run

pytestmark = needs("virt-host-validate", root=True)

OURS = ours("host_validate")
THEIRS = ["virt-host-validate"]

#: A row of ours alone: whether KVM does what the processor's flags promise.
TRIED = "if KVM runs a virtual CPU"

_FLAGS = (
    "sed 's/^flags.*/& {}/' /proc/cpuinfo >/srv/cpuinfo; mount --bind /srv/cpuinfo /proc/cpuinfo"
)
_TABLES = "mount -t tmpfs private /sys/firmware/acpi/tables; touch /sys/firmware/acpi/tables/{}"
_GROUPS = "mkdir -p /srv/groups/0; mount --bind /srv/groups /sys/kernel/iommu_groups"
_CGROUPS = "umount -R /sys/fs/cgroup"

HOSTS = {
    "this": "",
    "intel": _FLAGS.format("vmx"),
    "intel-iommu-off": f"{_FLAGS.format('vmx')}; {_TABLES.format('DMAR')}",
    "intel-iommu": f"{_FLAGS.format('vmx')}; {_TABLES.format('DMAR')}; {_GROUPS}",
    "amd": _FLAGS.format("svm"),
    "amd-sev": f"{_FLAGS.format('svm sev')}; {_TABLES.format('IVRS')}",
    "no-tun": "mount -t tmpfs private /dev/net",
    "vhost": "mount -t tmpfs private /dev/net; touch /dev/net/tun",
    "no-fuse": "mount -t tmpfs private /sys/fs/fuse",
    "less-cgroups": "for name in cpu blkio freezer; do umount /sys/fs/cgroup/$name; done",
    "unified": f"{_CGROUPS}; mount -t cgroup2 private /sys/fs/cgroup",
    "no-cgroups": _CGROUPS,
}


def rows(done: Done, *, tried: bool = True) -> list[str]:
    """What it printed without the hints, which are each program's own."""
    found = [re.sub(r" \(.*\)$", "", line) for line in done.stdout.splitlines()]
    return [row for row in found if tried or TRIED not in row]


@pytest.mark.parametrize("name", HOSTS)
def test_the_same_rows(name: str) -> None:
    theirs = run(THEIRS, prepare=HOSTS[name])
    done = run(OURS, prepare=HOSTS[name])
    assert rows(done, tried=False) == rows(theirs)
    refused = any(TRIED in row and row.endswith("FAIL") for row in rows(done))
    assert done.returncode == (1 if refused else theirs.returncode)


@pytest.mark.parametrize("words", [["qemu"], ["lxc"], ["lxc", "more"], ["-q"], ["--quiet", "lxc"]])
def test_the_same_choice(words: list[str]) -> None:
    theirs, done = run([*THEIRS, *words]), run([*OURS, *words])
    assert (rows(done), done.returncode) == (rows(theirs), theirs.returncode)


@pytest.mark.parametrize("words", [["-v"], ["--version"], ["bhyve"], ["ch"], ["none"]])
def test_the_same_words(words: list[str]) -> None:
    theirs, done = run([*THEIRS, *words]), run([*OURS, *words])
    assert (done.stdout, done.stderr, done.returncode) == (
        theirs.stdout, theirs.stderr, theirs.returncode,
    )  # fmt: skip


@pytest.mark.parametrize("word", ["-h", "--help", "--nothing", "-x"])
def test_the_same_exit_code(word: str) -> None:
    assert run([*OURS, word]).returncode == run([*THEIRS, word]).returncode


def test_flags_without_a_working_kvm_are_a_failure_here() -> None:
    done = run(OURS, prepare=HOSTS["intel"])
    tried = [row for row in rows(done) if TRIED in row]
    assert len(tried) == 1
    assert done.returncode == (1 if tried[0].endswith("FAIL") else 0)
