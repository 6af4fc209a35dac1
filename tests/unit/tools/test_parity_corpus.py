# SPDX-License-Identifier: Apache-2.0
"""The corpus is what ``docs/contributing/parity.rst`` says of it."""

from __future__ import annotations

from tools.parity import report
from tools.parity.coverage import FOREIGN, foreign_paths, schema_paths, touched
from tools.parity.documents import written
from tools.parity.generated import generated

PATHS = {name: touched(text) for name, text in written().items()}


def test_documents_enough() -> None:
    assert len(PATHS) >= 400
    assert sum(name.startswith("guests/") for name in PATHS) >= 20


def test_no_two_touch_the_same_paths() -> None:
    assert list(report.twins(PATHS)) == []


def test_together_they_touch_every_path_that_qemu_has() -> None:
    wanted = schema_paths() - foreign_paths()
    assert sorted(wanted - frozenset().union(*PATHS.values())) == []


def test_generated_documents_come_out_the_same_again() -> None:
    first = generated(5)
    assert first == generated(5)
    assert len(first) == 5
    assert all(touched(text) for text in first.values())
    assert "domain/devices" in touched(first["generated/0"])


def test_paths_of_other_hypervisors_are_paths() -> None:
    lines = [line.partition("#")[0].strip() for line in FOREIGN.read_text().splitlines()]
    assert [line for line in lines if line and line not in schema_paths()] == []
