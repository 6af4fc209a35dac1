# SPDX-License-Identifier: Apache-2.0
"""The generated table of names is the protocol table's."""

from __future__ import annotations

import json

import pytest

from tools.generate_schema_paths import ROOTS, TABLE, attributes_by_element
from virloom.model.schema_paths import PATHS


@pytest.mark.parametrize("root", ROOTS)
def test_the_table_is_fresh(root: str) -> None:
    types = json.loads(TABLE.read_text())["types"]
    document = next(entry for entry in types if root in entry["roots"])
    found = {path: text.split() for path, text in PATHS[root].items()}
    assert found == attributes_by_element(document), "run tools/generate_schema_paths.py"
