# SPDX-License-Identifier: Apache-2.0
"""Checks that imports stay light, by what they load: of the package, and of daemons at their start.

Times are printed, not judged.
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

from tools.tracked import report, settings

_LOADED = "import sys; before = set(sys.modules); import {}; print(*set(sys.modules) - before)"

#: What is imported → the setting that lists what it must not bring.
_LIGHT = {
    "virloom": "eager-imports",
    "virloom.daemons.virtqemud": "eager-imports-virtqemud",
    "virloom.daemons.virtnetworkd": "eager-imports-networks",
    "virloom.daemons.virtnwfilterd": "eager-imports-networks",
    "virloom.daemons.virtinterfaced": "eager-imports-networks",
}


def loaded_by_import(module: str = "virloom") -> set[str]:
    """The modules that importing *module* brings into a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED.format(module)], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def eager(loaded: set[str], forbidden: list[str]) -> list[str]:
    """The forbidden modules among *loaded*, in order."""
    return sorted(loaded.intersection(forbidden))


def _milliseconds(code: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return (perf_counter() - start) * 1000


def main() -> int:
    """Entry point."""
    problems = [
        f"import {module} loads {name}"
        for module, setting in _LIGHT.items()
        for name in eager(loaded_by_import(module), settings()[setting])
    ]
    pairs = [(_milliseconds("pass"), _milliseconds("import virloom")) for _ in range(5)]
    bare, took = (min(times) for times in zip(*pairs, strict=True))
    print(f"import virloom: {took - bare:.1f} ms beyond the interpreter's own {bare:.1f} ms")
    return report(
        problems,
        "import it in the function that needs it, or under TYPE_CHECKING;"
        " `python -X importtime -c 'import virloom'` shows who loads it",
    )


if __name__ == "__main__":
    sys.exit(main())
