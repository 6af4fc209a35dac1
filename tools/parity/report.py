# SPDX-License-Identifier: Apache-2.0
"""The report as text: percentages, causes, areas, coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tools.parity.compare import Comparison
from tools.parity.coverage import area, foreign_paths, schema_paths

MEASURES = ("verdict", "document", "options")
_EXAMPLES = 4


def summary(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """One line per measure."""
    yield f"{'measure':<10} {'same':>6} {'of':>6} {'%':>7}"
    for measure in MEASURES:
        same, of = count(comparisons, measure)
        yield f"{measure:<10} {same:>6} {of:>6} {percent(same, of):>7}"


def count(comparisons: Sequence[Comparison], measure: str) -> tuple[int, int]:
    """How many are the same, of how many that have the measure."""
    values = [getattr(comparison, measure) for comparison in comparisons]
    return values.count(True), len(values) - values.count(None)


def percent(same: int, of: int) -> str:
    """A share, or a dash where there is nothing to divide."""
    return f"{100 * same / of:.1f}" if of else "-"


def causes(comparisons: Sequence[Comparison], limit: int | None = None) -> Iterator[str]:
    """Differences grouped by measure and cause, the most frequent first."""
    for measure in MEASURES:
        groups: dict[str, dict[str, str]] = defaultdict(dict)
        for comparison in comparisons:
            for kind, cause, found in comparison.causes:
                if kind == measure:
                    groups[cause].setdefault(comparison.name, found)
        ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
        yield ""
        yield f"{measure}: {len(groups)} causes"
        for cause, members in ordered[:limit]:
            names = list(members)
            more = f" +{len(names) - _EXAMPLES}" if len(names) > _EXAMPLES else ""
            yield f"  {len(names):>4}  {cause}  [{', '.join(names[:_EXAMPLES])}{more}]"
            yield f"        e.g. {next(iter(members.values()))[:400]}"
        if limit is not None and len(ordered) > limit:
            yield f"        … and {len(ordered) - limit} more (--all shows them)"


def areas(comparisons: Sequence[Comparison], touched: dict[str, frozenset[str]]) -> Iterator[str]:
    """The measures for each part of the document, worst first."""
    groups: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        for part in {area(path) for path in touched[comparison.name]}:
            groups[part].append(comparison)
    rows = []
    for part, members in groups.items():
        shares = [count(members, measure) for measure in MEASURES]
        lost = sum(of - same for same, of in shares)
        rows.append((-lost, part, len(members), shares))
    heads = " ".join(f"{measure:>8}" for measure in MEASURES)
    yield f"{'part of the document':<34} {'documents':>9} {heads}"
    for lost, part, number, shares in sorted(rows):
        if lost:
            yield f"{part:<34} {number:>9} " + " ".join(f"{percent(*s):>8}" for s in shares)


def suspects(
    comparisons: Sequence[Comparison], touched: dict[str, frozenset[str]]
) -> Iterator[str]:
    """Paths of the schema all of whose documents differ in a measure."""
    groups: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        for path in touched[comparison.name]:
            groups[path].append(comparison)
    for path in sorted(groups):
        bad = [
            measure
            for measure in MEASURES
            if (shares := count(groups[path], measure))[1] and not shares[0]
        ]
        if bad:
            yield f"{path}: {len(groups[path])} documents, never the same: {', '.join(bad)}"


def without_model(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The documents over which libvirt's own process ends."""
    names = [comparison.name for comparison in comparisons if comparison.verdict is None]
    if names:
        yield f"libvirt's process ends over {len(names)}: {', '.join(names)}"


def coverage(touched: dict[str, frozenset[str]], *, full: bool) -> Iterator[str]:
    """How many of the schema's paths that QEMU guests have the documents touch."""
    wanted = schema_paths() - foreign_paths()
    reached = frozenset().union(*touched.values()) if touched else frozenset()
    missing = sorted(wanted - reached)
    hits = len(wanted & reached)
    yield (
        f"schema paths: {len(schema_paths())}, of other hypervisors {len(foreign_paths())}, "
        f"touched {hits} of {len(wanted)} ({percent(hits, len(wanted))} %)"
    )
    if full:
        yield from (f"  not touched: {path}" for path in missing)


def twins(touched: dict[str, frozenset[str]]) -> Iterator[str]:
    """Documents that touch the same set of paths as another."""
    first: dict[frozenset[str], str] = {}
    for name, paths in touched.items():
        if paths in first:
            yield f"{name} touches the same paths as {first[paths]}"
        else:
            first[paths] = name
