# SPDX-License-Identifier: Apache-2.0
"""The rows of virt-host-validate on hosts that are a few files."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.cli.findings.finding import Finding
from virloom.cli.findings.host import Host
from virloom.cli.findings.host_rows import controller_rows, lxc_rows, qemu_rows
from virloom.cli.programs.host_validate import as_line, word_of

V1 = "cgroup /sys/fs/cgroup/{0} cgroup rw,relatime,{0} 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"


def host(root: Path, **files: str) -> Host:
    """A host of the given files; ``__`` in a name is a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(root)


def failed(rows: list[Finding]) -> dict[str, str]:
    """What did not pass, and as what it counts."""
    return {row.name: word_of(row) for row in rows if not row.found}


async def test_a_bare_host_fails_where_guests_cannot_be(tmp_path: Path) -> None:
    assert failed(await qemu_rows(host(tmp_path), "x86_64")) == {
        "for hardware virtualization": "FAIL",
        "if device /dev/vhost-net exists": "WARN",
        "if device /dev/net/tun exists": "FAIL",
        "for device assignment IOMMU support": "WARN",
        "for secure guest support": "WARN",
    }


async def test_flags_without_the_device(tmp_path: Path) -> None:
    here = host(tmp_path, proc__cpuinfo="flags\t: fpu vmx\n")
    rows = await qemu_rows(here, "x86_64")
    assert [word_of(row) for row in rows[:2]] == ["PASS", "FAIL"]
    assert rows[1].name == "if device /dev/kvm exists"


async def test_other_architectures_have_the_device_or_not(tmp_path: Path) -> None:
    assert not (await qemu_rows(host(tmp_path), "aarch64"))[0].found


@pytest.mark.parametrize(
    ("flag", "table", "remedy"),
    [("vmx", "DMAR", "boot with intel_iommu=on"), ("svm", "IVRS", "boot with iommu=pt iommu=1")],
)
async def test_an_iommu_that_the_kernel_does_not_use(
    flag: str, table: str, remedy: str, tmp_path: Path
) -> None:
    here = host(
        tmp_path,
        proc__cpuinfo=f"flags : {flag}\n",
        **{f"sys__firmware__acpi__tables__{table}": ""},
    )
    rows = {row.name: row for row in await qemu_rows(here, "x86_64")}
    assert rows["for device assignment IOMMU support"].found
    assert rows["if IOMMU is enabled by kernel"].remedy == remedy
    (tmp_path / "sys/kernel/iommu_groups/0").mkdir(parents=True)
    rows = {row.name: row for row in await qemu_rows(here, "x86_64")}
    assert rows["if IOMMU is enabled by kernel"].found


@pytest.mark.parametrize(("text", "found"), [("Y\n", True), ("1\n", True), ("N\n", False)])
async def test_encrypted_guests(text: str, found: bool, tmp_path: Path) -> None:
    here = host(tmp_path, proc__cpuinfo="flags : sev\n", sys__module__kvm_amd__parameters__sev=text)
    rows = {row.name: row for row in await qemu_rows(here, "x86_64")}
    assert rows["for secure guest support"].found is found


def test_controllers_of_both_versions(tmp_path: Path) -> None:
    here = host(
        tmp_path,
        proc__self__mounts=V1.format("cpu") + V2,
        proc__self__cgroup="0::/user.slice\n",
        sys__fs__cgroup__cgroup__controllers="",
    )
    assert here.controllers() >= {"cpu", "cpuacct", "devices"}
    slice_of_user = tmp_path / "sys/fs/cgroup/user.slice/cgroup.controllers"
    slice_of_user.parent.mkdir(parents=True)
    slice_of_user.write_text("io memory\n")
    assert here.controllers() >= {"blkio", "memory"}
    assert list(failed(controller_rows(here, "QEMU", required=False))) == [
        "for cgroup 'cpuset' controller support"
    ]


def test_containers_fail_without_what_qemu_can_miss(tmp_path: Path) -> None:
    here = host(
        tmp_path, proc__self__mounts=V1.format("cpu"), proc__sys__kernel__osrelease="2.6.25-1\n"
    )
    names = failed(lxc_rows(here))
    assert set(names.values()) == {"FAIL"}
    assert "for Linux >= 2.6.26" in names
    assert "for namespace user" in names


def test_a_line() -> None:
    row = Finding("LXC", "for namespace ipc", True, "")
    assert as_line(row) == "   LXC: Checking " + f"{'for namespace ipc':<60}" + ": PASS"
    warned = as_line(row._replace(found=False, remedy="do"), coloured=True)
    assert warned.endswith(": \033[33mWARN\033[0m (do)")
