# SPDX-License-Identifier: Apache-2.0
"""The drop-in's modules, from their own distribution's folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).resolve().parents[4] / "packaging" / "virloom-libvirt" / "src"
NAMES = ("libvirt", "libvirt_qemu", "libvirt_lxc", "libvirtaio")


@pytest.fixture(scope="session")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The four modules by name; forgotten again afterwards, so that others get the real ones."""
    sys.path.insert(0, str(SOURCE))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(SOURCE))
        for name in [n for n in sys.modules if n.partition(".")[0] in NAMES]:
            del sys.modules[name]


@pytest.fixture(scope="session")
def libvirt(modules: dict[str, ModuleType]) -> ModuleType:
    """The drop-in ``libvirt``."""
    return modules["libvirt"]
