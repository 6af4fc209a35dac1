# SPDX-License-Identifier: Apache-2.0
"""Credentials: libvirt's auth.conf, its places, and whoever is asked for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from virloom.client.credentials import Credentials, Wanted, find_file, read_groups
from virloom.errors import AuthCancelled, AuthFailed, ConfSyntax, SystemFailure
from virloom.uri import ConnectURI

FILE = """
# for two hosts, and all others
[credentials-test]
username=fred
password = 12=34
[credentials-rest]
authname=rest
[auth-libvirt-one.example.com]
credentials=test
[auth-libvirt-default]
credentials=rest
[auth-esx-broken]
name=x
[auth-esx-lost]
credentials=nothing
"""

USER = Wanted(2, "authname", "Your name", "host", "nobody")
PASSWORD = Wanted(5, "password", "Your password")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "auth.conf"
    path.write_text(FILE)
    return path


def test_lookup(file: Path) -> None:
    found = Credentials(file)
    assert found.lookup("libvirt", "one.example.com", "username") == "fred"
    assert found.lookup("libvirt", "one.example.com", "password") == "12=34"
    assert found.lookup("libvirt", "one.example.com", "realm") is None
    assert found.lookup("libvirt", "other", "authname") == "rest"
    assert found.lookup("esx", "other", "authname") is None
    assert Credentials(None).lookup("libvirt", "other", "authname") is None


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("broken", "Missing item 'credentials' in group 'auth-esx-broken'"),
        ("lost", "Missing group 'credentials-nothing' referenced from group 'auth-esx-lost'"),
    ],
)
def test_groups_that_lead_nowhere(file: Path, host: str, said: str) -> None:
    with pytest.raises(ConfSyntax, match=said):
        Credentials(file).lookup("esx", host, "password")


@pytest.mark.parametrize("text", ["key=value", "[group]\nno sign", "[group]\n=value", "[]"])
def test_files_that_say_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "auth.conf"
    path.write_text(text)
    with pytest.raises(ConfSyntax, match=r"auth\.conf:\d"):
        read_groups(path)


def test_places(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ConnectURI.parse("qemu+tcp://one/system")
    monkeypatch.delenv("LIBVIRT_AUTH_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "libvirt").mkdir()
    mine = tmp_path / "libvirt" / "auth.conf"
    mine.touch()
    assert find_file(plain) == mine
    monkeypatch.setenv("LIBVIRT_AUTH_FILE", str(file))
    assert find_file(plain) == file
    named = ConnectURI.parse(f"qemu+tcp://one/system?authfile={tmp_path}/none")
    with pytest.raises(SystemFailure, match="none"):
        find_file(named)


def test_what_the_file_lacks_is_asked_for(file: Path) -> None:
    asked: list[Sequence[Wanted]] = []

    def callback(wanted: Sequence[Wanted]) -> list[str]:
        asked.append(wanted)
        return ["secret"]

    answers = Credentials(file, callback).ask("other", [USER, PASSWORD])
    assert answers == {"authname": "rest", "password": "secret"}
    assert asked == [[PASSWORD]]
    assert Credentials(None, lambda _: [""]).ask("other", [USER]) == {"authname": "nobody"}


def test_nobody_answers(file: Path) -> None:
    with pytest.raises(AuthFailed, match="password"):
        Credentials(file).ask("other", [PASSWORD])
    with pytest.raises(AuthCancelled):
        Credentials(file, lambda _: None).ask("other", [PASSWORD])
    with pytest.raises(AuthFailed, match="2 came"):
        Credentials(file, lambda _: ["a", "b"]).ask("other", [PASSWORD])
