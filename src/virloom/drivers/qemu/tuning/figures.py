# SPDX-License-Identifier: Apache-2.0
"""What threads for input and output tell of themselves, and what is counted of a guest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virloom.host.counters import Counter

#: A figure: name, libvirt's type of it, value.
Figure = tuple[str, str, int | str]


def iothread_figures(answer: list[dict[str, Any]]) -> list[Figure]:
    """How the threads poll, from QEMU's answer to ``query-iothreads``; nothing of none."""
    if not answer:
        return []
    figures: list[Figure] = [("iothread.count", "uint", len(answer))]
    for item in answer:
        prefix = f"iothread.{str(item['id']).removeprefix('iothread')}"
        figures.append((f"{prefix}.poll-max-ns", "ullong", int(item["poll-max-ns"])))
        figures.append((f"{prefix}.poll-grow", "uint", int(item["poll-grow"])))
        figures.append((f"{prefix}.poll-shrink", "uint", int(item["poll-shrink"])))
    return figures


def counted_figures(counters: Mapping[str, Counter]) -> list[Figure]:
    """What has been counted of each event that is."""
    return [(f"perf.{name}", "ullong", counter.read()) for name, counter in counters.items()]
