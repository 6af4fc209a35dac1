# SPDX-License-Identifier: Apache-2.0
"""The generator of the blocking client."""

from __future__ import annotations

import ast
import inspect

import pytest

from tools import async_to_sync
from virloom.client import connection as aio
from virloom.sync import connection as blocking


def _public(cls: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(cls) if not name.startswith("_")}


def test_every_public_name_of_the_client_is_there() -> None:
    assert _public(aio.Connection) == _public(blocking.Connection)


def test_signatures_are_the_same() -> None:
    for name in _public(blocking.Connection) - {"on_event"}:
        ours = inspect.getattr_static(blocking.Connection, name)
        theirs = inspect.getattr_static(aio.Connection, name)
        if inspect.isfunction(ours):
            assert [*inspect.signature(ours).parameters.items()] == [
                *inspect.signature(theirs).parameters.items()
            ], name


def _module(text: str) -> async_to_sync.Module:
    source = async_to_sync.Source("domain.one", ast.parse(text))
    source.classes = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    return async_to_sync.Module(source, {"Domain": "domain.domain", "A": "domain.one"})


def test_results_are_wrapped() -> None:
    text = _module(
        "class A:\n"
        "    async def one(self, x: int, *, y: int = 2) -> Domain:\n        '''D.'''\n"
        "    async def all(self) -> list[Domain]:\n        '''D.'''\n"
    ).render()
    assert "return Domain(self._portal.run(self._aio.one(x, y=y)), self._portal)" in text
    assert "[Domain(one, self._portal) for one in self._portal.run(self._aio.all())]" in text


def test_a_facade_is_passed_on_as_what_is_beneath_it() -> None:
    text = _module(
        "class A:\n"
        "    async def one(self, dom: Domain, *, again: Domain) -> None:\n        '''D.'''\n"
        "    async def two(self) -> tuple[bytes, Domain]:\n        '''D.'''\n"
    ).render()
    assert "self._aio.one(dom._aio, again=again._aio)" in text
    assert "return first, Domain(second, self._portal)" in text


@pytest.mark.parametrize(
    "method",
    [
        "async def f(self) -> dict[str, Domain]: ...",
        "async def f(self, doms: list[Domain]) -> None: ...",
        "@staticmethod\n    def f() -> None: ...",
        "def __len__(self) -> int: ...",
    ],
)
def test_what_is_not_understood_is_refused(method: str) -> None:
    with pytest.raises(async_to_sync.NotUnderstood):
        _module(f"class A:\n    {method}\n").render()
