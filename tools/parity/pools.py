# SPDX-License-Identifier: Apache-2.0
"""Documents of pools and volumes, on libvirt 9 and on ours.

python -m tools.parity.pools [--renew]

``--renew`` writes libvirt's answers of pools to ``tests/golden/pools/libvirt.json``.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from pathlib import Path

from tests.interop import documents_compared

ANSWERS = Path(__file__).parents[2] / "tests" / "golden" / "pools" / "libvirt.json"


def differences(
    what: str, theirs: documents_compared.Answers, ours: documents_compared.Answers
) -> int:
    """Prints in what answers differ; how many do."""
    differing = 0
    for name, wanted in theirs.items():
        if ours[name] != wanted:
            differing += 1
            was, now = (str(each).split("\\n") for each in (wanted, ours[name]))
            print(f"{name}:", *difflib.unified_diff(was, now, "libvirt", "ours", lineterm="", n=0))
    print(f"{len(theirs)} documents of {what}, {differing} differ")
    return differing


def main() -> int:
    """Entry point; 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity.pools", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write libvirt's answers anew")
    renew = parser.parse_args().renew
    differing = 0
    for what, ask in (("pools", documents_compared.pools), ("volumes", documents_compared.volumes)):
        reference = documents_compared.theirs(ask)
        if renew and what == "pools":
            ANSWERS.write_text(json.dumps(reference, indent=1) + "\n")
        differing += differences(what, reference, documents_compared.ours(ask))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
