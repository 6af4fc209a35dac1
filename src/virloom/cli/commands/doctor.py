# SPDX-License-Identifier: Apache-2.0
"""``virloom doctor``: what this host has for guests, and what to do about what is missing."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from virloom.cli.findings.everything import all_findings
from virloom.cli.findings.finding import Finding

_EPILOG = """\
exit code: 0 guests run here; 1 something is missing without which none does
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="format")
    parser.add_argument(
        "--root", metavar="DIR", default="/", help="look at the daemons of DIR, not the system's"
    )


def execute(options: argparse.Namespace) -> int:
    """Look, report, and say by the exit code whether guests run here."""
    findings = asyncio.run(all_findings(Path(os.path.abspath(options.root))))
    works = runs_guests(findings)
    if options.output == "json":
        report = {"guests-run": works, "findings": [finding._asdict() for finding in findings]}
        print(json.dumps(report, indent=2))
    else:
        print(as_text(findings))
        print(verdict(findings))
    return 0 if works else 1


def runs_guests(findings: Sequence[Finding]) -> bool:
    """Whether nothing required is missing and at least one accelerator works."""
    accelerated = any(item.found for item in findings if item.area == "accelerators")
    return accelerated and all(item.found or not item.required for item in findings)


def as_text(findings: Sequence[Finding]) -> str:
    """The findings under their headings, one a line, remedies below."""
    lines = []
    area = None
    width = max((len(finding.name) for finding in findings), default=0)
    for finding in findings:
        if finding.area != area:
            area = finding.area
            lines.append(area)
        mark = "ok" if finding.found else "NO" if finding.required else "--"
        lines.append(f"  {mark}  {finding.name:<{width}}  {finding.detail}")
        if finding.remedy and not finding.found:
            lines.append(f"      {'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines)


def verdict(findings: Sequence[Finding]) -> str:
    """The last line: whether guests run here, and how."""
    if not runs_guests(findings):
        missing = [item.name for item in findings if item.required and not item.found]
        return f"No guest runs here: {', '.join(missing) or 'no accelerator works'}."
    names = [item.name for item in findings if item.area == "accelerators" and item.found]
    return f"Guests run here, by {' and '.join(names)}."
