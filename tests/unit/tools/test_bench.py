# SPDX-License-Identifier: Apache-2.0
"""The benchmark's tables, and how bare QEMU is given a guest's own arguments."""

from __future__ import annotations

from tools.bench import guests
from tools.bench.sides.bare import prepared
from tools.bench.table import list_table, median_ms, milliseconds, ratio


def test_a_missing_figure_is_a_dash() -> None:
    assert median_ms([]) is None
    assert milliseconds(None) == ratio(None, 1.0) == ratio(1.0, None) == "-"


def test_figures_have_sensible_digits() -> None:
    assert median_ms([0.001, 0.003, 0.1]) == 3.0
    assert [milliseconds(value) for value in (0.12, 12.34, 1234.5)] == ["0.1", "12.3", "1234"]
    assert ratio(3.0, 2.0) == "1.50"


def test_a_table_has_a_cell_a_line() -> None:
    assert list_table("T", ["a", "b"], [["1", "2"]]).splitlines() == [
        ".. list-table:: T",
        "   :header-rows: 1",
        "",
        "   * - a",
        "     - b",
        "   * - 1",
        "     - 2",
    ]


def test_the_floor_has_its_own_monitor_and_no_secret() -> None:
    argv = ["qemu", "-object", '{"qom-type":"secret","file":"/x"}', "-object", "memory",
            "-chardev", "socket,id=charmonitor,path=/y,server=on,wait=off"]  # fmt: skip
    assert prepared(argv, 7) == [
        "qemu", "-object", "memory", "-chardev", "socket,id=charmonitor,fd=7,server=on,wait=off",
    ]  # fmt: skip


def test_guests_of_several_homes_have_names_of_their_own() -> None:
    assert len(set(guests.many(5, "a") + guests.many(5, "b"))) == 10
    assert {case.name for case in guests.CASES} >= {"q35-paused", "microvm-running"}
