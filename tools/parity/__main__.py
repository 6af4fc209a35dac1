# SPDX-License-Identifier: Apache-2.0
"""Compares Virloom with libvirt 9, document by document.

python -m tools.parity [--only NAME …] [--documents DIR] [--renew] [--all] [--report FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.parity import reference, report, virloom_side
from tools.parity.compare import Comparison, compare
from tools.parity.coverage import touched
from tools.parity.documents import golden, written


def options() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    parser.add_argument(
        "--documents", type=Path, metavar="DIR", help="compare over these instead of our corpus"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="compare over documents so named (part)"
    )
    parser.add_argument(
        "--generated", type=int, default=0, metavar="N", help="and over N that Hypothesis makes"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which ones it makes")
    parser.add_argument("--renew", action="store_true", help="ask libvirt anew")
    parser.add_argument("--all", action="store_true", help="show every cause and path")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--show", action="store_true", help="show what both sides answered")
    return parser


def corpus(arguments: argparse.Namespace) -> dict[str, str]:
    """The documents that are asked for."""
    if arguments.documents is not None:
        documents = written(arguments.documents)
    else:
        documents = written() | golden()
    if arguments.generated:
        from tools.parity.generated import generated

        documents |= generated(arguments.generated, arguments.seed)
    if arguments.only:
        documents = {
            name: text
            for name, text in documents.items()
            if any(part in name for part in arguments.only)
        }
    return documents


def main() -> int:
    """Entry point; 0 unless there is nothing to compare."""
    arguments = options().parse_args()
    documents = corpus(arguments)
    if not documents:
        print("parity: no documents", file=sys.stderr)
        return 2
    theirs = reference.answers(documents, renew=arguments.renew)
    ours = virloom_side.answers(documents)
    comparisons = [
        compare(name, text, theirs[name], ours[name]) for name, text in documents.items()
    ]
    if arguments.show:
        for name in documents:
            for side, outcome in (("libvirt", theirs[name]), ("virloom", ours[name])):
                print(f"--- {name}, {side}:", outcome.document, outcome.native, sep="\n")
    paths = {name: touched(text) for name, text in documents.items()}
    if arguments.report is not None:
        arguments.report.write_text("\n".join([*lines(comparisons, paths, full=True), ""]))
    print("\n".join(lines(comparisons, paths, full=arguments.all)))
    return 0


def lines(
    comparisons: list[Comparison], paths: dict[str, frozenset[str]], *, full: bool
) -> Iterator[str]:
    """The report, the summary last."""
    yield from report.causes(comparisons, None if full else 15)
    yield ""
    yield from report.areas(comparisons, paths)
    if full:
        yield ""
        yield from report.suspects(comparisons, paths)
    yield ""
    yield from report.without_model(comparisons)
    yield from report.coverage(paths, full=full)
    yield from report.summary(comparisons)


if __name__ == "__main__":
    sys.exit(main())
