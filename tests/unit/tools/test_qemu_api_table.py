# SPDX-License-Identifier: Apache-2.0
"""The table of the QEMU driver's APIs is read off sources; whatever is served has a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import qemu_api_table as table


def test_whatever_is_served_is_called_by_a_test_with_real_guests() -> None:
    rows = table.rows()
    assert len(rows) == 245
    untested = [row.name for row in rows if row.served and not row.tests]
    assert not untested, f"served, and called by no test in {table.TESTS}: {untested}"


def test_reasons_are_of_apis_that_there_are() -> None:
    assert set(table.reasons()) <= set(table.qemu_apis())


@pytest.mark.parametrize(
    ("source", "apis"),
    [
        ("await dom.jobs.abort()", {"virDomainAbortJob", "virDomainAbortJobFlags"}),
        ("await conn.call(p.DOMAIN_PM_WAKEUP, args)", {"virDomainPMWakeup"}),
        ("import libvirt\ndom.pMWakeup(0)", {"virDomainPMWakeup"}),
        ("import libvirt\nsnapshot.numChildren()", {"virDomainSnapshotNumChildren"}),
        ("virsh('uri', 'dompmwakeup one')", {"virDomainPMWakeup"}),
        ("nothing()", set()),
    ],
)
def test_what_a_source_calls(tmp_path: Path, source: str, apis: set[str]) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(source)
    assert table.called_by(path) == apis


def test_lines_of_virsh(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("domname one; domjobabort one\n")
    assert "virDomainAbortJob" in table.called_by(path)


def test_what_is_called_on_what() -> None:
    tree = ast.parse("a.b.c(); d().e")
    assert {("a", "b"), ("b", "c"), ("d", "e")} <= set(table.calls_in(tree))
