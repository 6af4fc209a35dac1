# SPDX-License-Identifier: Apache-2.0
"""The token by which daemons know each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.daemon.claimed import claimed_identity, stated_identity
from virloom.daemon.token import PARAMETER, SystemToken
from virloom.endpoint.identity import Identity
from virloom.errors import InternalError
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import TypedParam
from virloom.transport.base import PeerIdentity

ROOT = PeerIdentity(1, 0, 0)


def test_made_once_for_all(tmp_path: Path) -> None:
    first = SystemToken(tmp_path).value()
    assert SystemToken(tmp_path).value() == first
    assert len(bytes.fromhex(first)) == 16
    path = tmp_path / "common/system.token"
    assert path.read_text() == first
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_one_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common/system.token").write_text("0123")
    assert len(SystemToken(tmp_path).value()) == 32


@pytest.mark.parametrize("content", ["z" * 32, "0" * 33])
def test_something_else_in_its_place(tmp_path: Path, content: str) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common/system.token").write_text(content)
    with pytest.raises(InternalError, match="holds no system token"):
        SystemToken(tmp_path).value()


def test_who_states_it_is_trusted(tmp_path: Path) -> None:
    ours, others = SystemToken(tmp_path / "a"), SystemToken(tmp_path / "b")
    driver = Identity.of_this_process(trusted=True)
    stated = stated_identity(driver, ours)
    assert claimed_identity(ROOT, stated, readonly=False, token=ours).trusted
    assert not claimed_identity(ROOT, stated, readonly=False, token=others).trusted
    assert not claimed_identity(ROOT, stated, readonly=False).trusted
    strange = [TypedParam(PARAMETER, TypedParamValue(7, "\udcff"))]
    assert not claimed_identity(ROOT, strange, readonly=False, token=ours).trusted


def test_it_is_stated_by_drivers_alone(tmp_path: Path) -> None:
    ours = SystemToken(tmp_path)
    client = Identity(uid=os.geteuid())
    assert PARAMETER not in [entry.field for entry in stated_identity(client, ours)]
    driver = Identity.of_this_process(trusted=True)
    assert PARAMETER not in [entry.field for entry in stated_identity(driver)]  # by a relay
    assert not claimed_identity(
        ROOT, stated_identity(client, ours), readonly=False, token=ours
    ).trusted
