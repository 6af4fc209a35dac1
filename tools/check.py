# SPDX-License-Identifier: Apache-2.0
"""``make check``: every check of the repository but the tests; each failure names its cure.

python -m tools.check            all
python -m tools.check lint docs  some
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tools.tracked import ROOT

_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Check:
    """A program that answers 0 when all is well, and what to do when it does not."""

    name: str
    command: tuple[str, ...]
    cure: str


def _module(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


CHECKS = (
    Check("types", _module("mypy"), "annotate it; Any only at the JSON and XML edge"),
    Check(
        "docs",
        _module(
            "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", "docs/_build/doctrees",
            "docs", "docs/_build/html",
        ),
        "mend the RST; warnings are errors",
    ),
    Check("format", _module("ruff", "format", "--check", "--quiet", "."), "make format"),
    Check(
        "lint",
        _module("ruff", "check", "--quiet", "--output-format=concise", "."),
        "make format mends some of it",
    ),
    Check(
        "layers",
        (str(_BIN / "lint-imports"), "--no-cache"),
        "imports point only downwards (docs/design/0001): move the shared part down, or hand it in",
    ),
    Check("generated", _module("tools.renew", "--check"), "make generate, and commit the result"),
    Check("imports", _module("tools.check_imports"), "see above"),
    Check("spelling", (str(_BIN / "codespell"),), "mend it, or add it to [tool.codespell]"),
    Check("licence", _module("tools.check_licence"), "see above"),
    Check("sizes", _module("tools.check_sizes"), "see above"),
    Check("paths", _module("tools.check_paths"), "see above"),
    Check("walks", _module("tools.check_walks"), "see above"),
    Check("changes", _module("tools.check_changes"), "see above"),
)  # fmt: skip


def run(check: Check) -> tuple[Check, int, str, float]:
    """Runs one check: itself, its exit code, what it printed, its seconds."""
    start = perf_counter()
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return check, done.returncode, done.stdout.strip(), perf_counter() - start


def main() -> int:
    """Entry point; 1 when a check failed."""
    wanted = sys.argv[1:]
    unknown = set(wanted) - {check.name for check in CHECKS}
    if unknown:
        print(f"no check is called {', '.join(sorted(unknown))}; there are:")
        print(" ".join(check.name for check in CHECKS))
        return 2
    chosen = [check for check in CHECKS if not wanted or check.name in wanted]
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for check, code, output, seconds in pool.map(run, chosen):
            print(
                f"{'ok  ' if code == 0 else 'FAIL'} {check.name:<10} {seconds:5.1f} s", flush=True
            )
            if output and (code != 0 or check.name == "imports"):
                print("     " + output.replace("\n", "\n     "), flush=True)
            if code != 0:
                print(f"     cure: {check.cure}", flush=True)
                failed.append(check.name)
    if failed:
        print(f"make check: {len(failed)} of {len(chosen)} failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
