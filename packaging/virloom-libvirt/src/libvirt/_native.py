# SPDX-License-Identifier: Apache-2.0
"""Threads, locks and sockets of the system itself where a program has patched them to be green.

Under eventlet's monkey patching a lock or a socket belongs to the one thread that runs the green
threads, and the client has a thread of its own. libvirt's C library does not notice the patching;
so that this package does not either, the modules of ``libvirt`` and ``virloom`` are loaded
while fresh copies of the patched modules stand in their places.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

#: What patching changes, and what of the standard library is built upon it.
_PATCHED = ("_thread", "threading", "queue", "select", "selectors", "socket", "ssl", "subprocess",
            "time")  # fmt: skip
_UPON = ("asyncio", "concurrent")

#: Whose modules get the copies.
_OURS = ("libvirt", "libvirt_lxc", "libvirt_qemu", "virloom")


def _belongs(name: str, packages: Sequence[str]) -> bool:
    return name.partition(".")[0] in packages


class _Native:
    """The copies, made on first use."""

    modules: dict[str, ModuleType] | None = None
    depth = 0


@contextmanager
def _swapped() -> Iterator[None]:
    """The copies in the places of the patched modules."""
    if _Native.depth:
        _Native.depth += 1
        try:
            yield
        finally:
            _Native.depth -= 1
        return
    green = {n: m for n, m in sys.modules.items() if _belongs(n, (*_PATCHED, *_UPON))}
    for name in green:
        del sys.modules[name]
    sys.modules.update(_Native.modules or {})
    _Native.depth = 1
    try:
        if _Native.modules is None:
            for name in (*_PATCHED, "asyncio", "concurrent.futures.thread"):
                importlib.import_module(name)
        yield
    finally:
        _Native.depth = 0
        _Native.modules = {n: m for n, m in sys.modules.items() if _belongs(n, (*_PATCHED, *_UPON))}
        for name in _Native.modules:
            del sys.modules[name]
        sys.modules.update(green)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of ours while the copies are there."""

    def exec_module(self, module: ModuleType) -> None:
        with _swapped():
            super().exec_module(module)


class _Finder:
    """Finds modules of ours as ever, for that loader."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _belongs(name, _OURS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def keep_native() -> None:
    """Has all further modules of ours loaded so, where the program uses eventlet."""
    if "eventlet" in sys.modules and not _belongs_already():
        sys.meta_path.insert(0, _Finder)


def _belongs_already() -> bool:
    return any(finder is _Finder for finder in sys.meta_path)


keep_native()
