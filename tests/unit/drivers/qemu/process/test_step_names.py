# SPDX-License-Identifier: Apache-2.0
"""The steps at which tests order faults are those that the driver reaches."""

from __future__ import annotations

import ast
from pathlib import Path

import virloom.drivers.qemu
from virloom.drivers.qemu.process import steps


def reached() -> set[str]:
    """The steps that are announced by their names, or by one of two."""
    found: set[str] = set()
    for path in Path(virloom.drivers.qemu.__path__[0]).rglob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "reached(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "reached":
                words = (word for word in ast.walk(node.args[0]) if isinstance(word, ast.Constant))
                found |= {str(word.value) for word in words}
    return {
        step for step in found if not step.startswith(("before-block", "-")) and step[-1] != "-"
    }


def test_every_step_is_named_once() -> None:
    named = [
        step
        for name, group in vars(steps).items()
        if name.endswith("STEPS")
        for step in group
        if step != "checkpoint-noted"  # of two kinds of work
    ]
    assert len(named) == len(set(named))
    known = {*named, "checkpoint-noted", steps.LOADED}
    assert reached() | {steps.LOADED} == known
