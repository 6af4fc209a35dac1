# SPDX-License-Identifier: Apache-2.0
"""Our lease helper beside libvirt 9's: the same calls leave the same file and tell the same."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.interop.reference import needs_libvirtd
from virloom.drivers.network.dnsmasq.lease_helper import main

HELPER = Path("/usr/lib/libvirt/libvirt_leaseshelper")
pytestmark = [
    *needs_libvirtd,
    pytest.mark.skipif(not HELPER.exists(), reason="libvirt's lease helper is not installed"),
]
PLACE = "/var/lib/libvirt/dnsmasq"
EVER = "9999999999"
MAC = "52:54:00:00:00:0"
SIX = {"DNSMASQ_IAID": "7", "DNSMASQ_SERVER_DUID": "00:01:aa", "DNSMASQ_LEASE_EXPIRES": EVER}
FOUR = {"DNSMASQ_LEASE_EXPIRES": EVER}

#: Variables and arguments, one call after the other.
CALLS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["init"]),
    ({**FOUR, "DNSMASQ_CLIENT_ID": "01:52"}, ["add", f"{MAC}1", "10.77.1.5", "one"]),
    (FOUR, ["add", f"{MAC}2", "10.77.1.6"]),
    ({**FOUR, "DNSMASQ_OLD_HOSTNAME": "one"}, ["old", f"{MAC}1", "10.77.1.5"]),
    (FOUR, ["old", f"{MAC}1", "10.77.1.5", 'we"ird/\\']),
    (FOUR, ["old", f"{MAC}1", "10.77.1.5", "höst"]),
    ({**SIX, "DNSMASQ_MAC": f"{MAC}3"}, ["add", "00:01:bb", "fd77::5", "six"]),
    ({**SIX, "DNSMASQ_MAC": f"{MAC}4"}, ["add", "00:01:cc", "fd77::6"]),
    (SIX, ["add", "00:01:dd", "fd77::7"]),
    (SIX, ["old", "00:01:cc", "fd77::6"]),
    ({}, ["init"]),
    ({"DNSMASQ_LEASE_EXPIRES": "5"}, ["add", f"{MAC}7", "10.77.1.8"]),
    ({"DNSMASQ_LEASE_EXPIRES": f"{EVER} "}, ["add", f"{MAC}7", "10.77.1.9"]),
    ({"DNSMASQ_LEASE_EXPIRES": "5x"}, ["add", f"{MAC}7", "10.77.1.10"]),
    ({}, ["add", f"{MAC}7", "10.77.1.11"]),
    ({}, ["del", f"{MAC}2", "10.77.1.6"]),
    ({}, ["del", f"{MAC}2", "10.77.1.66"]),
    ({}, ["bogus", f"{MAC}2", "10.77.1.66"]),
    (FOUR, ["add", f"{MAC}2"]),
    ({}, []),
    ({}, ["init"]),
]
#: What is found in the file instead of leases; a call after it.
FOUND = ["", "[{", "{}", '[{"ip-address":"10.77.1.9","mac-address":"52"}]', "[1]"]


def libvirts(tmp_path: Path) -> list[str]:
    """What libvirt's makes of the calls, in a mount namespace with directories of its own."""
    lines = [
        "mount -t tmpfs private /run; mount -t tmpfs private /var/lib/libvirt",
        f"mkdir -p /run/libvirt {PLACE}; cd {PLACE}; export VIR_BRIDGE_NAME=vbr",
    ]
    number = 0
    for place, text in enumerate([None, *FOUND]):
        if text is not None:
            lines.append(f"printf %s {shlex.quote(text)} > vbr.status")
        for variables, arguments in CALLS if place == 0 else CALLS[:2]:
            given = shlex.join([f"{name}={value}" for name, value in variables.items()])
            out = tmp_path / str(number)
            lines.append(f"env {given} {HELPER} {shlex.join(arguments)} > {out} 2> /dev/null")
            lines.append(f"echo $? >> {out}; cat vbr.status >> {out}")
            number += 1
    subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)],
        check=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return [(tmp_path / str(one)).read_text() for one in range(number)]


def ours(directory: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What ours makes of them."""
    made = []
    file = directory / "vbr.status"
    file.write_text("")
    for place, text in enumerate([None, *FOUND]):
        if text is not None:
            file.write_text(text)
        for variables, arguments in CALLS if place == 0 else CALLS[:2]:
            code = main([str(directory), "vbr", *arguments], variables)
            made.append(f"{capsys.readouterr().out}{code}\n{file.read_text()}")
    return made


def test_the_same_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = libvirts(tmp_path)
    (tmp_path / "ours").mkdir()
    assert ours(tmp_path / "ours", capsys) == theirs
    assert any('"iaid"' in text for text in theirs)


def test_a_name_is_one_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["add", f"{MAC}1", "10.77.1.5", "a *\n1 2 3 4 5"]
    assert main([str(tmp_path), "vbr", *call], FOUR) == 0
    assert main([str(tmp_path), "vbr", "init"], {}) == 0
    assert capsys.readouterr().out == f"{EVER} {MAC}1 10.77.1.5 * *\n"
