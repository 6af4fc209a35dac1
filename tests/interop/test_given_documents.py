# SPDX-License-Identifier: Apache-2.0
"""Documents of host devices and leases beside libvirtd 9, on a host without such devices."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "given_documents.py"

pytestmark = [
    *needs_libvirtd,
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed"),
]

#: Steps whose answers depend on what is looked at first, and say no where libvirt says no too;
#: validation is by another schema.
PASSED_OVER = ("validated", "start", "runs", "attach live", "update live", "detach live")
#: Parts of documents that are told apart on purpose (docs/reference/differences.rst), or where
#: libvirt reads no device back from what it has written itself.
DIFFERENT = (
    "<source></source>", "<address bus='0' device='0'/>", "<rom bar='off'/>", "target='999'",
    "<source startupPolicy='optional'/>", "transport='unix'", "display='on'", "controller='5'",
)  # fmt: skip


def steps(uri: str) -> dict[str, list[Any]]:
    """What the session prints, by the document that it is about."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Any]] = {}
    for step in map(json.loads, done.stdout.splitlines()):
        if step[0].startswith(("define <", "both <")):
            document = found.setdefault(step[0], [])
        if step[0] not in PASSED_OVER:
            document.append(step)
    return found


def test_the_same_answers(libvirtd: Libvirtd, virtqemud: Virtqemud) -> None:
    theirs, ours = steps(libvirtd.uri), steps(virtqemud.uri())
    assert ours.keys() == theirs.keys()
    different = [
        f"{document}\nlibvirt {theirs[document]}\nours    {ours[document]}"
        for document in theirs
        if theirs[document] != ours[document] and not any(part in document for part in DIFFERENT)
    ]
    assert not different, "\n\n".join(different)
