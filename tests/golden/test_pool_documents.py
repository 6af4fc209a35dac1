# SPDX-License-Identifier: Apache-2.0
"""Documents of pools give what they give with libvirt 9, which ``python -m tools.parity.pools``
asks; ``--renew`` writes its answers anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.interop.sessions.pool_documents import documents, named, taken
from virloom.drivers.storage.backends import GONE
from virloom.drivers.storage.pools import parse_pool, same_source
from virloom.errors import VirloomError
from virloom.xml import format_document

TESTS = Path(__file__).parents[1]

LIBVIRT: dict[str, Any] = json.loads((TESTS / "golden" / "pools" / "libvirt.json").read_text())
SINGLE = documents()
PAIRS = {f"taken: {name}": (named(first), named(second, 2)) for name, first, second in taken()}


def test_each_has_an_answer() -> None:
    assert LIBVIRT.keys() == SINGLE.keys() | PAIRS.keys()
    assert len(LIBVIRT) >= 200


@pytest.mark.parametrize("name", SINGLE)
def test_what_a_document_gives(name: str) -> None:
    try:
        model = parse_pool(SINGLE[name])
    except VirloomError as error:
        assert [error.code, int(error.domain)] == LIBVIRT[name], error.message
        return
    if model.type in GONE:  # said by the driver, when it is to be defined
        assert LIBVIRT[name] == [1, 18]
        return
    model.capacity.unit = model.allocation.unit = model.available.unit = "bytes"
    model.capacity.value = model.allocation.value = model.available.value = 0
    assert format_document(model) == LIBVIRT[name]


@pytest.mark.parametrize("name", PAIRS)
def test_what_may_be_beside_another(name: str) -> None:
    first, second = (parse_pool(text) for text in PAIRS[name])
    if first.type in GONE:
        assert LIBVIRT[name] == [1, 18]
        return
    assert LIBVIRT[name] == ([9, 18] if same_source(first, second) else "beside it")
