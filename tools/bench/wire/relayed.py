# SPDX-License-Identifier: Apache-2.0
"""What a relay costs: the same calls and streams, direct and through virtproxyd.

Debian's libvirt 9 has no virtproxyd of its own to compare with; libvirtd, asked directly, is the
other measure. The floor is a program in C that passes bytes on without reading them.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.bench import side
from tools.bench.side import Side, SideError
from tools.bench.table import list_table, ratio
from tools.bench.wire import messages
from tools.bench.wire.daemons import Beside, Libvirtd, Virtqemud
from tools.bench.wire.generator import Generator
from tools.bench.wire.pair import reported

_STEPS = ("version", "info", "xml")
#: Calls of one sample: short, so that many samples fall between the work of others.
_CALLS = 100
_SIZE = 1 << 30
_TRANSFERS = 3
#: Ours is in memory; libvirtd's is a sparse file, made when it is not there.
_VOLUME = "/var/lib/libvirt/volumes/zeros"
_DIRECT, _FLOOR, _PROXIED, _LIBVIRTD = "direct", "floor", "proxied", "libvirtd"


def relayed(directory: Path, count: int) -> str:
    """Two tables: calls, and a stream of 1 GiB each way."""
    try:
        generator = Generator(directory)
        with _family(directory, generator) as sockets:
            print(_calls(directory, sockets, count * 10), flush=True)
            return _streams(directory, sockets)
    except SideError as error:
        return f"the relay: {error}\n"


@contextlib.contextmanager
def _family(directory: Path, generator: Generator) -> Iterator[Mapping[str, Path]]:
    """The daemons; where each way begins."""
    ours, theirs = directory / "family", directory / "libvirtd"
    with contextlib.ExitStack() as stack:
        for place in (ours, theirs):
            place.mkdir(mode=0o755)
        virtqemud = stack.enter_context(Virtqemud(ours))
        stack.enter_context(Beside(ours, "tools.bench.sides.volumes", "virtstoraged"))
        proxy = stack.enter_context(Beside(ours, "virloom.daemons.virtproxyd", "libvirt"))
        libvirtd = stack.enter_context(Libvirtd(theirs))
        stack.enter_context(generator.pump(ours / "pump", virtqemud.socket))
        for daemon in (virtqemud, libvirtd):
            domain = messages.define(messages.document("guest-00000"))
            generator.calls(daemon.socket, domain, 1)
        yield {
            _DIRECT: virtqemud.socket,
            _FLOOR: ours / "pump",
            _PROXIED: proxy.socket,
            _LIBVIRTD: libvirtd.socket,
        }


def _calls(directory: Path, sockets: Mapping[str, Path], samples: int) -> str:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        sides = {
            way: stack.enter_context(_client(directory, way, "client_libvirt", path, "qemu", ()))
            for way, path in sockets.items()
        }
        for step in _STEPS:
            for _ in range(samples):
                for way, client in sides.items():
                    with reported(f"{step}, {way}"):
                        seconds = client.ask(step, count=_CALLS)
                        found[step, way].append(seconds / _CALLS * 1e6)
    rows = []
    for step in _STEPS:
        values = {way: _quiet(found[step, way]) for way in sockets}
        cells = ["-" if value is None else f"{value:.1f}" for value in values.values()]
        direct = values[_DIRECT]
        ratios = [ratio(values[way], direct) for way in (_FLOOR, _PROXIED)]
        rows.append([f"{step} (µs)", *cells, *ratios, "1.6",
                     ratio(values[_PROXIED], values[_LIBVIRTD]), "1"])  # fmt: skip
    header = ["call of python3-libvirt", "virtqemud, direct", "through a relay in C",
              "through virtproxyd", "libvirtd, direct", "C relay / direct", "proxied / direct",
              "goal", "proxied / libvirtd", "goal"]  # fmt: skip
    return list_table(f"Relayed calls, first deciles of {samples} samples", header, rows)


def _quiet(samples: Sequence[float]) -> float | None:
    """The first decile: what a call takes where nobody else wants the processor."""
    return statistics.quantiles(samples, n=10)[0] if len(samples) > 1 else None


def _streams(directory: Path, sockets: Mapping[str, Path]) -> str:
    direct = sockets[_DIRECT].with_name("virtstoraged-sock")
    ways = {_DIRECT: direct, _PROXIED: sockets[_PROXIED], _LIBVIRTD: sockets[_LIBVIRTD]}
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        sides = {
            way: stack.enter_context(
                _client(directory, way, "transfer_libvirt", path, "storage", (_VOLUME,))
            )
            for way, path in ways.items()
        }
        for _ in range(_TRANSFERS):
            for step in ("download", "upload"):
                for way, client in sides.items():
                    with reported(f"{step}, {way}"):
                        rate = _SIZE / client.ask(step, size=_SIZE) / 1e6
                        found[step, way].append(rate)
    rows = []
    for step in ("download", "upload"):
        best = [max(found[step, way], default=None) for way in ways]
        cells = ["-" if value is None else f"{value:.0f}" for value in best]
        ratios = [ratio(best[1], best[0]), "0.8", ratio(best[1], best[2])]
        rows.append([f"{step} of 1 GiB (MB/s)", *cells, *ratios])
    header = ["stream of python3-libvirt", "direct", "through virtproxyd", "libvirtd, direct",
              "proxied / direct", "goal", "proxied / libvirtd"]  # fmt: skip
    return list_table(f"Relayed streams, the best of {_TRANSFERS}", header, rows)


def _client(
    directory: Path, way: str, module: str, socket: Path, scheme: str, words: Sequence[str]
) -> Side:
    uri = f"{scheme}+unix:///system?socket={socket}"
    python = side.SYSTEM_PYTHON if module.endswith("libvirt") else sys.executable
    log = directory / f"{module}-{way}.log"
    return Side([python, "-m", f"tools.bench.sides.{module}", uri, *words], log)
