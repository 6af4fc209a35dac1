# SPDX-License-Identifier: Apache-2.0
"""Which program serves directories or screens to guests, by the descriptions that packages install.

QEMU's documentation (``interop/vhost-user.json``) says what is in them and where they are.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

#: Where packages describe their vhost-user programs; the later ones give way.
DESCRIPTIONS = (Path("/etc/qemu/vhost-user"), Path("/usr/share/qemu/vhost-user"))


def find_server(directories: tuple[Path, ...] = DESCRIPTIONS, *, serves: str = "fs") -> str | None:
    """The program that is described first among those that are there, by the files' names.

    Args:
        serves: What it serves: ``fs`` or ``gpu``.
    """
    described = {
        path.name: path for place in reversed(directories) for path in place.glob("*.json")
    }
    for name in sorted(described):
        try:
            about = json.loads(described[name].read_bytes())
        except (OSError, ValueError):
            continue  # an empty file hides another one of its name
        if isinstance(about, dict) and about.get("type") == serves:
            program = str(about.get("binary", ""))
            if os.access(program, os.X_OK):
                return program
    return None
