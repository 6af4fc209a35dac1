# SPDX-License-Identifier: Apache-2.0
"""Renews the generated sources (``make generate``), or checks that they are fresh (``--check``)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.generators import commands, enums, errors, procedures  # noqa: E402 - needs the path above

TABLES = ROOT / "data" / "protocol"
PACKAGE = ROOT / "src" / "virloom"


def _table(name: str) -> Any:
    return json.loads((TABLES / f"{name}.json").read_text())


def render_all() -> dict[Path, str]:
    """Every generated file: path → formatted text."""
    api = _table("api")
    files = {
        **commands.render(_table("virsh-commands")),
        **enums.render(api),
        **errors.render(api, _table("error-messages")),
        **procedures.render(
            {name: _table(name) for name in procedures.PROGRAMS},
            _table("readonly"),
            {value["name"]: value["value"] for enum in api["enums"] for value in enum["values"]},
        ),
    }
    return {PACKAGE / name: _formatted(name, text) for name, text in files.items()}


def _formatted(name: str, text: str) -> str:
    """What the linter's own repairs and the formatter make of a rendered module."""
    for command in (["check", "--fix-only", "--quiet"], ["format"]):
        ruff = [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "--stdin-filename",
            f"src/virloom/{name}",
            "-",
        ]
        text = subprocess.run(
            ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    return text


def stale(files: dict[Path, str]) -> list[Path]:
    """The files whose text on disk is not what the tables give."""
    return [path for path, text in files.items() if not path.exists() or path.read_text() != text]


def main() -> int:
    """Entry point; exit code 1 when ``--check`` finds a stale file."""
    files = render_all()
    old = stale(files)
    if "--check" in sys.argv[1:]:
        for path in old:
            print(f"{path.relative_to(ROOT)} is stale: run 'make generate' and commit the result")
        return 1 if old else 0
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
        print(f"renewed {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
