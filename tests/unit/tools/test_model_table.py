# SPDX-License-Identifier: Apache-2.0
"""The tables of document fields in the documentation."""

from __future__ import annotations

import pytest

from tools.model_table import Row, parts, rows
from virloom.model import DOCUMENTS


@pytest.mark.parametrize("root", DOCUMENTS)
def test_no_field_is_in_a_table_twice(root: str) -> None:
    paths = [row.path for row in rows(root)]
    assert paths
    assert len(set(paths)) == len(paths)


def test_a_field_says_what_it_takes() -> None:
    found = {row.path: row for row in rows("domain")}
    assert found["domain/@id"].notes == "only of what runs"
    assert found["domain/memory"] == Row("domain/memory", "amount (kibibytes)", "0", "has @unit")
    assert found["domain/memory/@dumpCore"].value == "on, off"
    assert "secret" in found["domain/devices/graphics/@passwd"].notes


def test_a_chain_of_backing_images_ends() -> None:
    found = {row.path: row for row in rows("domain")}
    assert "above" in found["domain/devices/disk/backingStore/backingStore"].notes


def test_a_document_within_another_is_only_named() -> None:
    inside = [row for row in rows("domainsnapshot") if "/domain" in row.path]
    assert [row.notes for row in inside] == ["a whole <domain>"]


def test_parts_lose_no_field() -> None:
    every = list(rows("domain"))
    split = parts(every)
    assert sorted(row for found in split.values() for row in found) == sorted(every)
    assert "domain/devices/disk" in split
