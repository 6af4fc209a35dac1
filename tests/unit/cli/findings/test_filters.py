# SPDX-License-Identifier: Apache-2.0
"""What ``doctor`` says of what has guests' filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.cli.findings import filters as subject
from virloom.cli.findings.host import Host


def test_what_has_rules_for_packets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path)
    calls = tmp_path / "proc/sys/net/bridge/bridge-nf-call-iptables"
    calls.parent.mkdir(parents=True)
    monkeypatch.setattr(subject, "locate", lambda name: f"/sbin/{name}")
    assert subject.filters(host, True, "").detail.startswith("nft has rules for packets")
    blind = subject.filters(host, False, "")
    assert (blind.found, "br_netfilter" in blind.remedy) == (False, True)
    calls.write_text("1\n")
    used = subject.filters(host, False, "")
    assert (used.found, "iptables (physdev)" in used.detail) == (True, True)
    monkeypatch.setattr(subject, "locate", lambda name: None)
    assert not subject.filters(host, False, "").found
    assert "only root" in subject.filters(host, None, "only root may ask").detail
