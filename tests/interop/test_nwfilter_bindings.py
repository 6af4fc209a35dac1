# SPDX-License-Identifier: Apache-2.0
"""Filters at work beside libvirtd 9, in network namespaces with links of the test's own."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.interop.binding import session
from tests.interop.conftest import STEP
from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd, needs_libvirtd
from tests.system.filterednet import LINKS, filtering

pytestmark = needs_libvirtd
#: What an administrator types, in this order; what virsh prints is compared.
LINES = (
    "nwfilter-binding-create {0}", "nwfilter-binding-list", "nwfilter-binding-dumpxml vnet0",
    "nwfilter-binding-create {0}", "nwfilter-undefine b-value", "nwfilter-binding-delete vnet0",
    "nwfilter-binding-delete vnet0", "nwfilter-binding-dumpxml vnet0", "nwfilter-binding-list",
    "nwfilter-undefine b-value",
)  # fmt: skip
BINDING = """
<filterbinding><owner><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid></owner>
<portdev name='vnet0'/><mac address='52:54:00:00:00:01'/>
<filterref filter='b-value'><parameter name='X' value='10.1.1.1'/></filterref></filterbinding>
"""


def both(uri: str, document: Path) -> tuple[list[str], list[tuple[str, int, str]]]:
    """What libvirt's binding makes of the session, and what virsh prints."""
    return session("nwfilter_bindings", uri, seconds=300), typed(uri, document)


def typed(uri: str, document: Path) -> list[tuple[str, int, str]]:
    """What virsh prints of each line; the words of errors are each one's own."""
    told = []
    for line in LINES:
        words = line.format(document).split()
        done = subprocess.run(
            ["virsh", "-c", uri, *words], capture_output=True, text=True, timeout=STEP, check=False
        )
        told.append((line, done.returncode, done.stdout))
    return told


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_same_session_and_lines(tmp_path: Path) -> None:
    document = tmp_path / "binding.xml"
    document.write_text(BINDING)
    with filtering() as daemon:
        ours = both(daemon.uri(), document)
    theirs = _of_libvirt(document)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert sum('"xml ' in line and "<filterbinding" in line for line in ours[0]) == 13


def _of_libvirt(document: Path) -> tuple[list[str], list[tuple[str, int, str]]]:
    with (
        tempfile.TemporaryDirectory(prefix="lv-") as name,
        NetworkNamespace(LINKS) as network,
        Libvirtd(Path(name), prefix=network.prefix).running() as reference,
    ):
        return both(reference.uri, document)
