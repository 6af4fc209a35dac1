# SPDX-License-Identifier: Apache-2.0
"""Trees of names, laid out as virsh 9.0.0 does."""

from __future__ import annotations

from virloom.cli.shell.tree import draw

#: Dots are spaces at the lines' ends.
_DEEP = """\
a
  |
  +- b
  |   |
  |   +- c
  |   +- d
  |       |
  |       +- e
  |.........
  +- z
      |
      +- y
........
lonely
"""


def test_branches_below_branches() -> None:
    parents = {"a": None, "b": "a", "c": "b", "d": "b", "e": "d", "z": "a", "y": "z"}
    assert draw({**parents, "lonely": "elsewhere"}) == _DEEP.replace(".", " ")
