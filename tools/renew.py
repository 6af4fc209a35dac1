# SPDX-License-Identifier: Apache-2.0
"""Runs every generator (``make generate``); with ``--check`` asks each whether all is fresh."""

from __future__ import annotations

import subprocess
import sys

from tools.tracked import ROOT

#: Each writes committed files, and takes ``--check``. In the order in which they build.
GENERATORS = (
    "tools/generate.py",
    "tools/generate_schema_paths.py",
    "tools/async_to_sync.py",
    "tools/generate_libvirt.py",
)


def present() -> list[str]:
    """The generators that exist."""
    return [script for script in GENERATORS if (ROOT / script).exists()]


def main() -> int:
    """Entry point; the worst exit code of the generators."""
    return max(
        subprocess.run([sys.executable, script, *sys.argv[1:]], cwd=ROOT).returncode
        for script in present()
    )


if __name__ == "__main__":
    sys.exit(main())
