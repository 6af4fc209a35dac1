# SPDX-License-Identifier: Apache-2.0
"""The lists of what guests hold."""

from __future__ import annotations

from pathlib import Path

from virloom.drivers.qemu.nics.held import HeldList
from virloom.drivers.qemu.nics.names import DIRECT_PREFIX, TapNames


def test_a_list_is_found_again_and_goes_when_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "guest.ports"
    HeldList(path).add("one", "net")
    HeldList(path).add("two", "net")
    held = HeldList(path)
    assert held.all == {"one": "net", "two": "net"}
    held.remove("one")
    assert HeldList(path).all == {"two": "net"}
    held.remove("never")
    held.remove("two")
    assert not path.exists()


def test_a_damaged_list_is_said_and_names_nothing(tmp_path: Path) -> None:
    path = tmp_path / "guest.filters"
    path.write_text("{")
    assert HeldList(path).all == {}


def test_no_name_is_given_twice() -> None:
    names = TapNames(DIRECT_PREFIX)
    assert [names.next(), names.next()] == ["macvtap0", "macvtap1"]
