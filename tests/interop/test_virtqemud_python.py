# SPDX-License-Identifier: Apache-2.0
"""libvirt's own Python binding drives our virtqemud, and is answered as libvirt answers it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from virloom.testing.documents import paused_guest_xml

SYSTEM_PYTHON = "/usr/bin/python3"
SESSION = Path(__file__).with_name("virtqemud_session.py")


def binding() -> bool:
    """Whether the binding is there."""
    try:
        return not subprocess.run([SYSTEM_PYTHON, "-c", "import libvirt"], check=False).returncode
    except OSError:
        return False


@pytest.mark.skipif(not binding(), reason="python3-libvirt is not installed")
def test_a_session(virtqemud: Any) -> None:
    document = paused_guest_xml("py", extra_devices="<video><model type='vga'/></video>")
    done = subprocess.run(
        [SYSTEM_PYTHON, str(SESSION), virtqemud.uri(), virtqemud.uri(readonly=True)],
        input=document, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stderr}\n{virtqemud.log()}"
    assert json.loads(done.stdout) == {
        "type": "QEMU",
        "uri": "qemu:///system",
        "alive": 1,
        "secure": 1,
        "encrypted": 0,
        "libversion": 9000000,
        "defined": ["py"],
        "state": [1, 1],
        "paused": [3, 1],
        "balloon": 32768,
        "png": True,
        "no_domain": [42, 10],
        "invalid": [55, 10],
        "readonly": [29, 20, "operation forbidden: read only access prevents virDomainCreate"],
        "events": [[0, 0], [4, 0], [2, 0], [3, 0], [4, 0], [6, 2], [5, 1], [1, 0]],
    }
