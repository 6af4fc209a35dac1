# SPDX-License-Identifier: Apache-2.0
"""The kept trees of documents: few, and not large together."""

from __future__ import annotations

from virloom.drivers.qemu.persistent import _Trees


def document(name: str, words: str = "") -> str:
    return f"<domain type='qemu'><name>{name}</name><description>{words}</description></domain>"


def test_a_tree_is_kept_while_it_is_asked_for() -> None:
    trees = _Trees(most=2, most_text=1 << 20)
    first = trees.of(document("a"))
    trees.of(document("b"))
    assert trees.of(document("a")) is first
    trees.of(document("c"))  # instead of b, the one that was asked for longest ago
    assert trees.of(document("a")) is first


def test_large_documents_push_others_out() -> None:
    trees = _Trees(most=100, most_text=1000)
    first = trees.of(document("a"))
    for number in range(5):
        trees.of(document("b", "x" * (600 + number)))
    assert trees.of(document("a")) is not first
    assert trees._text <= 1000


def test_one_beyond_all_bounds_is_not_kept() -> None:
    trees = _Trees(most=100, most_text=1000)
    first = trees.of(document("a"))
    assert trees.of(document("b", "x" * 2000)).name == "b"
    assert trees.of(document("a")) is first
