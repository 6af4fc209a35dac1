# SPDX-License-Identifier: Apache-2.0
"""Sends frames through filters of libvirt 9 and of ours: ``python -m tools.parity.filters``.

Options: ``--only PART`` for cases with that in their names, ``--all`` to show those that are the
same too.
"""

from __future__ import annotations

import argparse
import sys

from tools.parity.filters.compare import compare
from tools.parity.filters.documents import cases


def main() -> int:
    """Entry point; 1 where a frame passes on one side only."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity.filters", description=__doc__)
    parser.add_argument("--only", metavar="PART", default="", help="cases with that in their names")
    parser.add_argument("--all", action="store_true", help="show those that are the same, too")
    arguments = parser.parse_args()
    chosen = [case for case in cases() if arguments.only in case.name]
    differing = better = 0
    for outcome in compare(chosen):
        differing += not outcome.same and not outcome.case.is_better
        better += not outcome.same and outcome.case.is_better
        if arguments.all or not outcome.same:
            print("\n".join(outcome.lines()), flush=True)
    print(f"{len(chosen)} filters, {better} of them differ on purpose, {differing} by mistake")
    return 1 if differing or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
