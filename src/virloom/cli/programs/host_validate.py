# SPDX-License-Identifier: Apache-2.0
"""``virt-host-validate``: whether a host is fit for QEMU guests and for containers.

Exit codes, as libvirt's: 0 nothing failed (a warning is no failure), 1 something did, or the
command line is wrong.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from virloom.cli.findings.finding import Finding
from virloom.cli.findings.host import Host
from virloom.cli.findings.host_rows import lxc_rows, qemu_rows
from virloom.cli.programs.arguments import VERSION, ProgramParser
from virloom.cli.reader import may_be_left

_NAME = "virt-host-validate"
_HYPERVISORS = ("qemu", "lxc")
_COLOURS = {"PASS": "32", "FAIL": "31", "WARN": "33"}


@may_be_left
def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    options, more = _parser().parse_known_args(argv)
    wrong = [word for word in more if word.startswith("-")]
    if wrong:
        _parser().error(f"unrecognized option '{wrong[0]}'")
    chosen = options.hypervisor
    if chosen not in (None, *_HYPERVISORS):
        print(f"{_NAME}: unsupported hypervisor name {chosen}", file=sys.stderr)
        return 1
    return _report([chosen] if chosen else list(_HYPERVISORS), quiet=options.quiet)


def _parser() -> ProgramParser:
    parser = ProgramParser(
        _NAME, "Looks whether this host is fit for guests.", (f"version: {_NAME} {VERSION}", "-v")
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="tell by the exit code only")
    parser.add_argument(
        "hypervisor", metavar="HVTYPE", nargs="?", help=f"one of {', '.join(_HYPERVISORS)}"
    )
    return parser


def _report(hypervisors: list[str], *, quiet: bool) -> int:
    host = Host()
    if not host.has_cgroups():
        print(f"{_NAME}: no control groups are mounted", file=sys.stderr)
    failed = False
    for hypervisor in hypervisors:
        rows = asyncio.run(qemu_rows(host)) if hypervisor == "qemu" else lxc_rows(host)
        for row in rows:
            failed = failed or word_of(row) == "FAIL"
            if not quiet:
                print(as_line(row, coloured=sys.stdout.isatty()))
    return 1 if failed else 0


def word_of(row: Finding) -> str:
    """libvirt's word for how a row came out."""
    return "PASS" if row.found else "FAIL" if row.required else "WARN"


def as_line(row: Finding, *, coloured: bool = False) -> str:
    """A row as libvirt's program prints it."""
    word = word_of(row)
    shown = f"\033[{_COLOURS[word]}m{word}\033[0m" if coloured else word
    hint = "" if row.found else f" ({row.remedy})"
    return f"{row.area:>6}: Checking {row.name:<60}: {shown}{hint}"


if __name__ == "__main__":
    sys.exit(main())
