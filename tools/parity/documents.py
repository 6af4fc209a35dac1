# SPDX-License-Identifier: Apache-2.0
"""The corpus: documents by name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "parity" / "corpus"
GOLDEN = ROOT / "tests" / "golden" / "define"


def written(directory: Path = CORPUS) -> dict[str, str]:
    """The documents of a directory and of those below it, by their names without the suffix."""
    found = {}
    for path in sorted(directory.rglob("*.xml")):
        name = str(path.relative_to(directory).with_suffix(""))
        found[name] = path.read_text(encoding="utf-8")
    return found


def golden() -> dict[str, str]:
    """The documents of ``tests/golden/define``, as ``golden/NAME``."""
    suffix = ".in.xml"
    return {
        f"golden/{path.name.removesuffix(suffix)}": path.read_text(encoding="utf-8")
        for path in sorted(GOLDEN.glob(f"*{suffix}"))
    }
