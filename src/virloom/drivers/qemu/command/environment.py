# SPDX-License-Identifier: Apache-2.0
"""The environment of a guest's QEMU."""

from __future__ import annotations

from pathlib import Path


def guest_environment(directory: Path, path: str) -> dict[str, str]:
    """Variables of every guest's QEMU: ours are none of its business.

    Args:
        directory: The guest's own.
        path: Where programs are.
    """
    home = str(directory)
    return {
        "LC_ALL": "C",
        "PATH": path,
        "HOME": home,
        "XDG_DATA_HOME": f"{home}/.local/share",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_CONFIG_HOME": f"{home}/.config",
    }
