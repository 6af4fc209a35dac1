# SPDX-License-Identifier: Apache-2.0
"""``make check`` runs each check and tells what it found."""

from __future__ import annotations

import sys

import pytest

from tools.check import CHECKS, Check, run
from tools.check_imports import eager, loaded_by_import
from tools.tracked import settings


@pytest.mark.processes
@pytest.mark.parametrize("code", [0, 1])
def test_code_and_output_of_a_check(code: int) -> None:
    program = (
        f"import sys; print('found this'); print('and that', file=sys.stderr); sys.exit({code})"
    )
    check = Check("one", (sys.executable, "-c", program), "mend it")
    found, returned, output, seconds = run(check)
    assert (found, returned) == (check, code)
    assert "found this" in output
    assert "and that" in output
    assert seconds > 0


def test_every_check_has_a_name_of_its_own_and_a_cure() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.cure for check in CHECKS)


@pytest.mark.processes
def test_import_virloom_is_light() -> None:
    loaded = loaded_by_import()
    assert "virloom" in loaded
    assert eager(loaded, settings()["eager-imports"]) == []
