# SPDX-License-Identifier: Apache-2.0
"""Profiles: their text, and what the parser says of it where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from virloom.security.apparmor import PARSER, Rule, literal, profile_text, rules_text

UUID = "6e7c1a3e-0d5f-4f3a-9a39-5d2f5e0a7b11"
EMULATOR = "/usr/bin/qemu-system-x86_64"


def test_rules_of_one_path_are_joined_and_sorted() -> None:
    rules = [Rule("/b", "r"), Rule("/a", "rwk"), Rule("/b", "w"), Rule("/dir", "r", below=True)]
    assert rules_text(rules).splitlines()[1:] == [
        '  "/a" rwk,',
        '  "/b" rw,',
        '  "/dir/{,**}" r,',
    ]


def test_a_path_is_matched_to_the_letter() -> None:
    assert literal("/a*b?[c]{d}^@{e}\\") == r"/a\*b\?\[c\]\{d\}\^\@\{e\}\\"


@pytest.mark.parametrize("path", ["relative", '/quo"te', "/new\nline", "/nul\0"])
def test_what_no_profile_can_hold(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be named"):
        rules_text([Rule(path, "r")])


@pytest.mark.processes
@pytest.mark.skipif(shutil.which(PARSER) is None, reason="apparmor is not installed")
@pytest.mark.parametrize(
    "path",
    [
        "/srv/plain.img",
        "/srv/with blank",
        "/srv/odd*?[x]{y,z}^",
        "/srv/at@{HOME}",
        "/srv/ünï",
        "/a,b",
    ],
)
def test_the_parser_takes_it(tmp_path: Path, path: str) -> None:
    files = tmp_path / "guest.files"
    files.write_text(rules_text([Rule(path, "rwk"), Rule(path, "r", below=True)]))
    profile = tmp_path / "guest"
    profile.write_text(profile_text(UUID, EMULATOR, str(files)))
    argv = [PARSER, "--skip-kernel-load", "--skip-cache", str(profile)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = subprocess.run(
        [PARSER, "--names", str(profile)], capture_output=True, text=True, check=True
    )
    assert names.stdout.split() == [f"libvirt-{UUID}"]


@pytest.mark.processes
@pytest.mark.skipif(shutil.which(PARSER) is None, reason="apparmor is not installed")
def test_the_parser_would_say(tmp_path: Path) -> None:
    files = tmp_path / "guest.files"
    files.write_text("  /a nonsense,\n")
    profile = tmp_path / "guest"
    profile.write_text(profile_text(UUID, EMULATOR, str(files)))
    argv = [PARSER, "--skip-kernel-load", "--skip-cache", str(profile)]
    assert subprocess.run(argv, capture_output=True, check=False).returncode != 0
