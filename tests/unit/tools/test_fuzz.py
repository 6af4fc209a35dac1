# SPDX-License-Identifier: Apache-2.0
"""The fuzzer's targets and where they begin, without the fuzzer."""

from __future__ import annotations

import subprocess

import pytest

from tools.fuzz.__main__ import NAMES, _outcome
from tools.fuzz.planted import planted
from tools.fuzz.seeds import seeds
from tools.fuzz.targets import TARGETS, close_loop
from virloom.rpc.packet import Header, pack


def test_every_target_is_run() -> None:
    assert tuple(TARGETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_targets_take_what_they_begin_with(name: str) -> None:
    inputs = list(seeds(name))
    assert inputs
    for data in (b"", *inputs):
        TARGETS[name](data)
    close_loop()


def test_the_planted_bug_is_in_no_seed_and_is_a_bug() -> None:
    for data in seeds("planted"):
        planted(data)
    announced = b"\xff" + pack(Header(0x20008086, 1, 1, 4, 0, 0), b"")
    TARGETS["server"](announced)
    with pytest.raises(IndexError):
        planted(announced)


_END = "#2048\tDONE   cov: 120 ft: 456 corp: 78/9Kb lim: 80\nDone 2050 runs in 5 second(s)\n"


def done(code: int, said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, "", said)


def test_what_a_run_saw_is_read() -> None:
    outcome = _outcome(done(0, "#1\tINITED cov: 3 ft: 4 corp: 1/1b\n" + _END))
    assert outcome == (2050, 120, 456, 78, "")


def test_a_finding_has_its_exception() -> None:
    said = f"{_END}\n === Uncaught Python exception: ===\nValueError: so\nTraceback\n"
    assert _outcome(done(77, said)).finding == "ValueError: so"


def test_a_target_that_cannot_be_imported_is_no_finding() -> None:
    with pytest.raises(SystemExit, match="did not run"):
        _outcome(done(1, "Traceback\nImportError: no\n"))
