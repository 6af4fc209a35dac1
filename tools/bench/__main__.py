# SPDX-License-Identifier: Apache-2.0
"""``python -m tools.bench [-n COUNT] [--quick] [NAME…]``: measure, and print tables."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.bench import (
    confined,
    document,
    figures,
    imports,
    lifecycle,
    networks,
    plugging,
    reaper,
    scale,
    snapshots,
    volumes,
)
from tools.bench.wire.relayed import relayed
from tools.bench.wire.run import wire
from virloom.testing.guest import CACHE_VARIABLE

BENCHES: dict[str, Callable[[Path, int], str]] = {
    "import": imports.imports,
    "document": document.document,
    "warm": lifecycle.warm,
    "fresh": lifecycle.fresh,
    "confined": confined.confined,
    "many": scale.many,
    "snapshot": snapshots.snapshot,
    "plug": plugging.plug,
    "networks": networks.networks,
    "bulk": figures.bulk,
    "saving": figures.saving,
    "volumes": volumes.volumes,
    "relay": relayed,
    "wire": wire,
}
#: Parts of others, for whoever asks for one.
PARTS: dict[str, Callable[[Path, int], str]] = {
    name: networks.part(name) for name in networks.PARTS
}


def main() -> int:
    """Run the benches that are named, or all."""
    known = BENCHES | PARTS
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("-n", "--count", type=int, default=20, help="samples per figure")
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes: wire")
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))} (there are {', '.join(known)})")
    names = options.names or list(BENCHES)
    if options.quick:
        BENCHES["wire"] = functools.partial(wire, quick=True)
    with tempfile.TemporaryDirectory(prefix="virloom-bench-") as directory:
        return reaper.run_below(lambda: _run(Path(directory), names, options.count))


def _run(directory: Path, names: list[str], count: int) -> int:
    # libvirt's QEMU runs as a user that must be able to read what guests boot.
    directory.chmod(0o755)
    (directory / "cache").mkdir(mode=0o755)
    os.environ[CACHE_VARIABLE] = str(directory / "cache")
    for bench in names:
        own = directory / bench
        own.mkdir(mode=0o755)  # several have daemons with directories of the same names
        print((BENCHES | PARTS)[bench](own, count), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
