# SPDX-License-Identifier: Apache-2.0
"""Arguments survive any name and path."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.drivers.qemu.command.arguments import Arguments, escape, keyval
from virloom.errors import InternalError


def split(text: str) -> list[tuple[str, str]]:
    """QEMU's reading of ``key=value,…``: two commas are one, a single one ends a value."""
    pairs, current = [], ""
    position = 0
    while position <= len(text):
        if position == len(text) or (
            text[position] == "," and text[position + 1 : position + 2] != ","
        ):
            key, _, value = current.partition("=")
            pairs.append((key, value))
            current = ""
            position += 1
        elif text[position] == ",":
            current += ","
            position += 2
        else:
            current += text[position]
            position += 1
    return pairs


@given(st.lists(st.tuples(st.sampled_from(["path", "id", "guest"]), st.text()), min_size=1))
def test_any_value_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert split(keyval(pairs)) == pairs


def test_values_by_type() -> None:
    pairs = [("a", True), ("b", False), ("c", None), ("d", 7), ("e", "x,y=z")]
    assert keyval(pairs) == "a=on,b=off,d=7,e=x,,y=z"
    assert escape(",,") == ",,,,"


@given(st.text())
def test_json_is_plain_ascii_and_read_back(path: str) -> None:
    args = Arguments("qemu", {})
    args.blockdev({"driver": "file", "filename": path})
    assert args.argv[1] == "-blockdev"
    assert args.argv[2].isascii()
    assert "\n" not in args.argv[2]
    assert json.loads(args.argv[2])["filename"] == path


def test_fd_sets_are_numbered_as_they_come() -> None:
    args = Arguments("qemu", {"a": 10, "b,c": 11})
    assert args.fdset("b,c") == "/dev/fdset/0"
    assert args.fdset("a") == "/dev/fdset/1"
    assert args.argv[1:3] == ["-add-fd", "set=0,fd=11,opaque=b,,c"]
    assert args.fdsets == {"b,c": 0, "a": 1}
    assert args.next_fdset == 2
    assert args.inherited("a") == "/proc/self/fd/10"


def test_a_descriptor_that_nobody_opened() -> None:
    with pytest.raises(InternalError, match="'disk'"):
        Arguments("qemu", {}).fdset("disk")
