# SPDX-License-Identifier: Apache-2.0
"""The command line of each golden document is the expected one.

``make golden`` (or ``python -m tools.golden_args NAME``) accepts a change.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.golden_args import DIRECTORY, parse, render
from virloom.model.domain.unmodelled import unmodelled

CASES = sorted(DIRECTORY.glob("*.xml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 70


@pytest.mark.parametrize("document", CASES, ids=[path.stem for path in CASES])
def test_command_line(document: Path) -> None:
    dom = parse(document)
    assert unmodelled(dom) == [], "a start would refuse the document"
    expected = document.with_suffix(".args")
    if os.environ.get("VIRLOOM_UPDATE_GOLDEN") == "1":
        expected.write_text(render(dom))
    assert render(dom) == expected.read_text()
