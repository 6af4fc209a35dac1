# SPDX-License-Identifier: Apache-2.0
"""Hosts with one of the packet filters' programs only."""

from __future__ import annotations

import shutil
from pathlib import Path


def path(root: Path, backend: str) -> list[str]:
    """What has a daemon find the programs of that packet filter only."""
    programs = root / f"{backend}-bin"
    programs.mkdir()
    families = [
        f"{one}-{verb}" for one in ("iptables", "ip6tables") for verb in ("save", "restore")
    ]
    for name in ("dnsmasq", *(["nft"] if backend == "nft" else families)):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return ["env", f"PATH={programs}"]
