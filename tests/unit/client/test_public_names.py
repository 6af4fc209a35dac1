# SPDX-License-Identifier: Apache-2.0
"""What ``import virloom`` offers by name."""

from __future__ import annotations

import pytest

import virloom
from virloom.client.domain import events
from virloom.errors import NoDomain, VirloomError


def test_every_public_name_is_there() -> None:
    for name in virloom.__all__:
        assert getattr(virloom, name) is not None


def test_errors_and_events_are_the_same_objects() -> None:
    assert virloom.NoDomain is NoDomain
    assert virloom.VirloomError is VirloomError
    assert virloom.LifecycleEvent is events.LifecycleEvent


def test_every_event_class_is_public() -> None:
    assert {kind.event.__name__ for kind in events.KINDS.values()} <= set(virloom.__all__)


@pytest.mark.parametrize("name", ["nothing", "Nothing", "_private"])
def test_other_names_are_not(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(virloom, name)
