# SPDX-License-Identifier: Apache-2.0
"""``python -m tools.fuzz [--seconds N] [--prove] [TARGET…]``: fuzz, and say what came of it."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tools.bench.table import list_table
from tools.fuzz.seeds import seeds

ROOT = Path(__file__).parent.parent.parent
NAMES = ("server", "client", "daemon", "endpoint", "records", "error", "uri", "config", "xml")
PROOF_SECONDS = 120
"""Within which the planted bug must be found."""

PLANTED = "IndexError"
"""What the planted bug shows itself by."""

_PROGRESS = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_RUNS = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_TESTED = re.compile(r"INITED|Uncaught Python exception: ===")
_ERROR = re.compile(r"Uncaught Python exception: ===\n(.*)", re.MULTILINE)


class Outcome(NamedTuple):
    """What one run saw."""

    executions: int
    coverage: int
    features: int
    corpus: int
    finding: str
    """The exception that a target let out; empty for none."""


def main() -> int:
    """Fuzz each target; 1 for a finding, or for a planted bug that was not found."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument(
        "--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS", "60")),
        help="for each target (default 60, or FUZZ_SECONDS)",
    )  # fmt: skip
    parser.add_argument("--keep", type=Path, help="where corpora and findings stay")
    parser.add_argument("--prove", action="store_true", help="find the planted bug instead")
    options = parser.parse_args()
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))} (there are {', '.join(NAMES)})")
    with tempfile.TemporaryDirectory(prefix="virloom-fuzz-") as directory:
        place = options.keep or Path(directory)
        if options.prove:
            return _prove(place)
        return _fuzz(place, options.targets or NAMES, options.seconds)


def _fuzz(place: Path, names: tuple[str, ...] | list[str], seconds: int) -> int:
    rows, failed = [], 0
    for name in names:
        outcome = _run(place, name, seconds)
        failed |= bool(outcome.finding)
        rows.append([name, *map(str, outcome[:4]), outcome.finding or "none"])
        print(f"{name}: {outcome.executions} executions, finding: {rows[-1][-1]}", flush=True)
    header = ["target", "executions", "edges covered", "features", "corpus", "findings"]
    print(list_table(f"Fuzzing, {seconds} seconds a target", header, rows))
    return failed


def _prove(place: Path) -> int:
    outcome = _run(place, "planted", PROOF_SECONDS)
    if not outcome.finding.startswith(PLANTED):
        print(f"the planted bug was not found in {outcome.executions} executions: {outcome}")
        return 1
    print(f"the planted bug was found after {outcome.executions} executions: {outcome.finding}")
    return 0


def _run(place: Path, name: str, seconds: int) -> Outcome:
    corpus = place / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    argv = [
        *(sys.executable, "-m", "tools.fuzz.child", name, str(corpus)),
        *(f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"),
        f"-artifact_prefix={place}/{name}-",
    ]
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    (place / f"{name}.log").write_text(done.stdout + done.stderr)
    return _outcome(done)


def _outcome(done: subprocess.CompletedProcess[str]) -> Outcome:
    said = done.stdout + done.stderr
    progress = _PROGRESS.findall(said)
    executions, coverage, features, corpus = map(int, progress[-1]) if progress else (0, 0, 0, 0)
    runs = _RUNS.search(said)
    if runs:
        executions = int(runs[1])
    finding = ""
    if not executions and not _TESTED.search(said):
        raise SystemExit(f"the target did not run:\n{said[-2000:]}")
    if done.returncode:
        error = _ERROR.search(said)
        finding = error[1] if error else (said.strip().splitlines() or ["no word"])[-1]
    return Outcome(executions, coverage, features, corpus, finding)


if __name__ == "__main__":
    sys.exit(main())
