# SPDX-License-Identifier: Apache-2.0
"""Documents of pools, on libvirt 9 and on ours: ``python -m tools.parity.pools [--renew]``.

``--renew`` writes libvirt's answers to ``tests/golden/pools/libvirt.json``.
"""

from __future__ import annotations

import argparse
import difflib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.interop.conftest import Virtstoraged
from tests.interop.reference import Libvirtd

_TESTS = Path(__file__).parents[2] / "tests"
ANSWERS = _TESTS / "golden" / "pools" / "libvirt.json"
_SESSION = _TESTS / "interop" / "sessions" / "storage_documents.py"


def session(uri: str) -> dict[str, Any]:
    """What a daemon makes of each document, by libvirt's own binding."""
    done = subprocess.run(
        ["/usr/bin/python3", str(_SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return dict(json.loads(line) for line in done.stdout.splitlines())


def theirs() -> dict[str, Any]:
    """What libvirtd makes of them."""
    with tempfile.TemporaryDirectory(prefix="pp") as directory:
        libvirtd = Libvirtd(Path(directory))
        try:
            libvirtd.await_socket()
            return session(libvirtd.uri)
        finally:
            libvirtd.end()


def ours() -> dict[str, Any]:
    """What virtstoraged makes of them."""
    root = Path(tempfile.mkdtemp(prefix="pp"))
    daemon = Virtstoraged(root)
    daemon.start()
    try:
        return session(daemon.uri())
    finally:
        daemon.signal(signal.SIGTERM)
        shutil.rmtree(root)


def main() -> int:
    """Entry point; 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity.pools", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write libvirt's answers anew")
    reference = theirs()
    if parser.parse_args().renew:
        ANSWERS.write_text(json.dumps(reference, indent=1) + "\n")
    answers, differing = ours(), 0
    for name, wanted in reference.items():
        if answers[name] != wanted:
            differing += 1
            was, now = (str(each).splitlines() for each in (wanted, answers[name]))
            print(f"{name}:", *difflib.unified_diff(was, now, "libvirt", "ours", lineterm="", n=0))
    print(f"{len(reference)} documents of pools, {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
