# SPDX-License-Identifier: Apache-2.0
"""Whom QEMU runs as, by libvirt's rules, and files given to it."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from virloom.errors import InvalidArg, SystemFailure
from virloom.security.dac import (
    DEFAULT_USER,
    Dac,
    resolve_group,
    resolve_ids,
    resolve_label,
    resolve_user,
)

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run QEMU as another user")


@pytest.mark.parametrize(
    ("text", "uid"),
    [("root", 0), ("daemon", pwd.getpwnam("daemon").pw_uid), ("+0", 0), ("64999", 64999)],
)
def test_users(text: str, uid: int) -> None:
    assert resolve_user(text) == uid


def test_groups() -> None:
    assert resolve_group("daemon") == grp.getgrnam("daemon").gr_gid
    assert resolve_group("+64999") == 64999
    assert resolve_group("64999") == 64999


@pytest.mark.parametrize(
    "text", ["", "+", "-1", "+-1", "no such user", "+root", "4294967295", "1²"]
)
def test_nobody(text: str) -> None:
    with pytest.raises(InvalidArg, match="there is no user"):
        resolve_user(text)
    with pytest.raises(InvalidArg, match="there is no group"):
        resolve_group(text)


def test_labels() -> None:
    daemon = pwd.getpwnam("daemon").pw_uid
    assert resolve_label("daemon:+12") == (daemon, 12)
    for text in ("daemon", "daemon:", ":daemon", "", "daemon:+12:x"):
        with pytest.raises(InvalidArg):
            resolve_label(text)


def test_the_users_own_group_unless_another_is_named() -> None:
    account = pwd.getpwnam("daemon")
    ids = resolve_ids("daemon", None)
    assert (ids.uid, ids.gid) == (account.pw_uid, account.pw_gid)
    assert ids.groups[0] == account.pw_gid
    other = resolve_ids("daemon", "+64999")
    assert other.gid == 64999
    assert 64999 in other.groups


def test_a_number_without_an_account() -> None:
    assert resolve_ids("+64998", "+64999") == (64998, 64999, (64999,))


def test_further_groups_of_the_user_are_kept() -> None:
    with_more = [(user, g.gr_gid) for g in grp.getgrall() for user in g.gr_mem]
    if not with_more:
        pytest.skip("no user of this host is in a further group")
    user, group = with_more[0]
    assert group in resolve_ids(user, None).groups


def test_without_configuration_it_is_the_user_of_the_packages() -> None:
    try:
        expected = pwd.getpwnam(DEFAULT_USER).pw_uid
    except KeyError:
        expected = 0
    assert resolve_ids(None, None).uid == expected


@ROOT
def test_files_are_planned_taken_and_restored(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.touch()
    dac = Dac("+64998", "+64999", str(tmp_path))
    assert dac.changes_user
    resource = dac.plan(str(path), "token")
    assert resource is not None
    assert path.stat().st_uid == 0
    dac.take(resource)
    assert (path.stat().st_uid, path.stat().st_gid) == (64998, 64999)
    dac.restore(resource)
    assert (path.stat().st_uid, path.stat().st_gid) == (0, 0)


@ROOT
def test_a_files_own_label(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.touch()
    dac = Dac("root", "root", str(tmp_path))
    assert not dac.changes_user
    resource = dac.plan(str(path), "token", label=resolve_label("+1:+2"))
    assert resource is not None
    dac.take(resource)
    assert (path.stat().st_uid, path.stat().st_gid) == (1, 2)
    dac.restore(resource)


@ROOT
def test_a_missing_file_is_named(tmp_path: Path) -> None:
    dac = Dac(None, None, str(tmp_path))
    with pytest.raises(SystemFailure, match="nowhere"):
        dac.plan(str(tmp_path / "nowhere"), "token")
    path = tmp_path / "image"
    path.touch()
    resource = dac.plan(str(path), "token")
    assert resource is not None
    path.unlink()
    with pytest.raises(SystemFailure, match="image"):
        dac.take(resource)
    dac.restore(resource)


def test_owners_are_left_alone_when_told_so(tmp_path: Path) -> None:
    assert Dac(None, None, str(tmp_path), dynamic=False).plan("/nowhere", "token") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may run QEMU as anybody")
def test_an_ordinary_user_runs_it_as_himself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dac = Dac(None, None, str(tmp_path))
    assert dac.ids.uid == os.geteuid()
    assert not dac.changes_user
    assert dac.plan("/nowhere", "token") is None
    assert Dac("root", None, str(tmp_path)).ids.uid == os.geteuid()
    assert "only root" in caplog.text
