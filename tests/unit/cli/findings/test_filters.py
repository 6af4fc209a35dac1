# SPDX-License-Identifier: Apache-2.0
"""What ``doctor`` says of what has guests' filters."""

from __future__ import annotations

from pathlib import Path

from virloom.cli.findings.filters import filters
from virloom.cli.findings.host import Host


def _found(name: str) -> str:
    return f"/sbin/{name}"


def test_what_has_rules_for_packets(tmp_path: Path) -> None:
    host = Host(tmp_path)
    calls = tmp_path / "proc/sys/net/bridge/bridge-nf-call-iptables"
    calls.parent.mkdir(parents=True)
    assert filters(host, True, "").detail.startswith("nft has rules for packets")
    blind = filters(host, False, "", _found)
    assert (blind.found, "br_netfilter" in blind.remedy) == (False, True)
    calls.write_text("1\n")
    used = filters(host, False, "", _found)
    assert (used.found, "iptables (physdev)" in used.detail) == (True, True)
    assert not filters(host, False, "", lambda name: None).found
    assert "only root" in filters(host, None, "only root may ask").detail
