# SPDX-License-Identifier: Apache-2.0
"""Small immutable records."""

from __future__ import annotations

import copy
import pickle

import pytest

from virloom.client.domain.results import BlockInfo, BlockStats
from virloom.client.subscription import EventGap
from virloom.client.value import Value


class Base(Value):
    one: int


class More(Base):
    two: str = "default"


def test_fields_of_bases_come_first() -> None:
    assert More(1, "x") == More(one=1, two="x")
    assert More(1) == More(1, "default")
    assert repr(More(1)) == "More(one=1, two='default')"


def test_equality_goes_by_class_and_values() -> None:
    assert EventGap(1) != EventGap(2)
    assert Base(1) != More(1)
    assert hash(EventGap(1)) == hash(EventGap(1))


def test_cannot_be_changed() -> None:
    gap = EventGap(1)
    with pytest.raises(AttributeError):
        gap.lost = 2  # type: ignore[misc] # that is the point
    with pytest.raises(AttributeError):
        del gap.lost


@pytest.mark.parametrize(
    ("args", "named"), [((), {}), ((1, 2, 3, 4), {}), ((1, 2), {"capacity": 1})]
)
def test_wrong_arguments(args: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="BlockInfo takes capacity, allocation, physical"):
        BlockInfo(*args, **named)


def test_matches_patterns() -> None:
    match BlockStats(1, 2, 3, 4, 5):
        case BlockStats(rd_req, errs=errs):
            assert (rd_req, errs) == (1, 5)
        case _:
            pytest.fail("no match")


def test_is_copied_and_pickled() -> None:
    gap = EventGap(3)
    assert copy.deepcopy(gap) == gap
    assert pickle.loads(pickle.dumps(gap)) == gap
