# SPDX-License-Identifier: Apache-2.0
"""Objects of the drop-in as Python objects: what they are made of, and what refuses them."""

from __future__ import annotations

import copy
import pickle
from types import ModuleType
from typing import Any

import pytest


class NoConnection:
    """What a handle holds here: these tests make no call."""


@pytest.fixture(scope="module")
def home(libvirt: ModuleType) -> None:
    """The client's thread, which stays."""
    from virloom.sync.portal import portal

    portal()


@pytest.fixture
def conn(libvirt: ModuleType, home: None) -> Any:
    from libvirt._handle import Handle

    made = libvirt.virConnect(_obj=Handle(NoConnection()))
    made._handle.hold()  # so that its end closes nothing
    return made


def test_nothing_can_be_pickled(conn: Any) -> None:
    for refused in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            refused(conn)


@pytest.mark.parametrize("name", ["virConnect", "virDomain", "virNetwork", "virDomainSnapshot"])
def test_an_object_of_nothing_is_refused(libvirt: ModuleType, name: str) -> None:
    arguments = () if name == "virConnect" else (None,)
    with pytest.raises(Exception, match="wrapped C Object but got <class 'NoneType'>") as caught:
        getattr(libvirt, name)(*arguments)
    assert type(caught.value) is Exception


def test_size_of_a_packet_is_public(libvirt: ModuleType) -> None:
    assert libvirt.virStorageVol.streamBufSize == 262120
