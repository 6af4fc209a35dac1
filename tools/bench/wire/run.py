# SPDX-License-Identifier: Apache-2.0
"""All rows of the wire, printed section by section."""

from __future__ import annotations

import compileall
import os
from pathlib import Path

from tools.bench import side
from tools.bench.side import SideError
from tools.bench.wire import clients, defined, life, light, pair
from tools.bench.wire.generator import Generator

#: Calls of one sample, for ``-n``: about a tenth of a second of light calls.
_CALLS = 100


def wire(directory: Path, count: int, *, quick: bool = False) -> str:
    """Measures; *quick* leaves out what takes minutes."""
    # What a daemon would have to compile is compiled before, as in any installation.
    compileall.compile_dir(side.ROOT / "src/virloom", quiet=1)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    calls = count * _CALLS
    rounds = 2 if quick else 4
    try:
        generator = Generator(directory)
        with pair.running(directory, generator, rounds) as both:
            print(pair.table("The daemon", life.life(both, (20,) if quick else (20, 50))))
            print(pair.table("Light calls", light.light(both, calls)))
            print(pair.table("Events", life.fanout(both, count)), flush=True)
            sizes = (0, 100, 1000) if quick else (0, 100, 1000, 5000)
            print(pair.table("Definitions", defined.defined(both, sizes)), flush=True)
            return clients.clients(both)
    except SideError as error:
        return f"the wire: {error}\n"
