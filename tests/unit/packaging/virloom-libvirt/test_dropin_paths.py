# SPDX-License-Identifier: Apache-2.0
"""Where the modules are found, and what they need: the sources, and the standard library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

#: Runs with no other directory than the sources, and no packages.
_PROGRAM = """
import sys
sys.path.insert(0, {source!r})
import libvirt, libvirt_lxc, libvirt_qemu, libvirtaio
conn = libvirt.open("test:///default")
print(conn.getLibVersion(), [domain.name() for domain in conn.listAllDomains()])
conn.close()
"""


@pytest.mark.processes
def test_the_sources_are_enough() -> None:
    program = _PROGRAM.format(source=str(ROOT / "src"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("9000000 ['test']\n", "")
