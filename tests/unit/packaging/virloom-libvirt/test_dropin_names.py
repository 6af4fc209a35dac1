# SPDX-License-Identifier: Apache-2.0
"""The drop-in against the table of libvirt's own binding, name by name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
TABLE = json.loads((ROOT / "data" / "protocol" / "python-api.json").read_text())


def functions() -> Iterator[tuple[str, str, list[Any]]]:
    """(module, dotted name, arguments) of everything that can be called."""
    for module, content in TABLE["modules"].items():
        for row in content["functions"]:
            yield module, row["name"], row["args"]
        for cls in content["classes"]:
            for row in cls["methods"]:
                yield module, f"{cls['name']}.{row['name']}", row["args"]


def found(modules: dict[str, ModuleType], module: str, dotted: str) -> Any:
    value: Any = modules[module]
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("module", sorted(TABLE["modules"]))
def test_every_function_and_method_is_there_with_its_signature(
    modules: dict[str, ModuleType], module: str
) -> None:
    wrong = []
    for owner, dotted, arguments in functions():
        if owner != module:
            continue
        try:
            signature = inspect.signature(found(modules, owner, dotted))
        except AttributeError:
            wrong.append(f"{dotted}: missing")
            continue
        mine = [
            (p.name, p.kind.name, repr(p.default) if p.default is not p.empty else None)
            for p in signature.parameters.values()
        ]
        wanted = [(a["name"], a["kind"], a.get("default")) for a in arguments]
        if mine != wanted:
            wrong.append(f"{dotted}: {mine} instead of {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", sorted(TABLE["modules"]))
def test_every_constant_has_its_value(modules: dict[str, ModuleType], module: str) -> None:
    rows = TABLE["modules"][module]["constants"]
    wrong = {
        row["name"]: (getattr(modules[module], row["name"], None), row["value"])
        for row in rows
        if getattr(modules[module], row["name"], None) != row["value"]
    }
    assert not wrong


@pytest.mark.parametrize("module", sorted(TABLE["modules"]))
def test_every_class_has_its_bases(modules: dict[str, ModuleType], module: str) -> None:
    for row in TABLE["modules"][module]["classes"]:
        cls = getattr(modules[module], row["name"])
        assert [base.__name__ for base in cls.__bases__] == row["bases"], row["name"]


def test_later_methods_and_constants_are_there_too(libvirt: ModuleType) -> None:
    later = TABLE["newer_than_9_0_0"]
    for row in later["methods"]:
        assert callable(getattr(getattr(libvirt, row["cls"]), row["method"])), row
    missing = [name for name in later["int_constants"] if not hasattr(libvirt, name)]
    assert not missing
    for dotted in later["private_dispatchers"]:
        assert callable(found({"libvirt": libvirt}, "libvirt", dotted))


@pytest.mark.processes  # the formatter
def test_the_generated_half_is_fresh() -> None:
    from tools.generate import stale
    from tools.generate_libvirt import render_all

    assert stale(render_all()) == []


def test_nothing_is_exported_but_the_api(libvirt: ModuleType) -> None:
    leaked = [
        name
        for name in libvirt.__all__
        if inspect.ismodule(getattr(libvirt, name)) or name in ("Any", "TYPE_CHECKING")
    ]
    assert not leaked
