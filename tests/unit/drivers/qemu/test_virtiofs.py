# SPDX-License-Identifier: Apache-2.0
"""Which program serves a directory over virtiofs, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.vhost_user import find_server
from virloom.drivers.qemu.process.virtiofs import served_filesystems, server_arguments
from virloom.model.domain import Domain
from virloom.xml import parse_document


def guest(filesystem: str) -> Domain:
    return parse_document(
        Domain,
        "<domain type='qemu'><name>a</name><os><type>hvm</type></os><devices><filesystem>"
        f"<driver type='virtiofs'/>{filesystem}<target dir='tag'/></filesystem></devices></domain>",
    )


@pytest.mark.parametrize(
    ("filesystem", "expected"),
    [
        ("<source dir='/a'/>", ["-o", "source=/a"]),
        (
            "<binary xattr='on'><cache mode='always'/><sandbox mode='chroot'/>"
            "<lock posix='on' flock='off'/><thread_pool size='0'/></binary><source dir='/a'/>",
            [
                "-o",
                "source=/a,cache=always,sandbox=chroot,xattr,no_flock,posix_lock",
                "--thread-pool-size=0",
            ],
        ),
        ("<binary xattr='off'/><source dir='/a,b\\c'/>", ["-o", "source=/a\\,b\\\\c,no_xattr"]),
    ],
)
def test_a_server_is_told_what_the_document_says(filesystem: str, expected: list[str]) -> None:
    (found,) = served_filesystems(guest(filesystem))
    assert server_arguments(found, "/p", 7) == ["/p", "--fd=7", *expected]


def test_a_directory_with_a_socket_has_its_server_already() -> None:
    assert served_filesystems(guest("<source socket='/s'/>")) == []


def test_the_first_description_of_a_program_that_is_there_counts(tmp_path: Path) -> None:
    own, packaged = tmp_path / "own", tmp_path / "packaged"
    programs = [tmp_path / name for name in ("first", "second", "hidden")]
    for directory in (own, packaged):
        directory.mkdir()
    for program in programs:
        program.touch(mode=0o755)
    text = '{{"type": "{}", "binary": "{}"}}'
    (packaged / "10-gpu.json").write_text(text.format("gpu", programs[0]))
    (packaged / "20-gone.json").write_text(text.format("fs", tmp_path / "gone"))
    (packaged / "30-hidden.json").write_text(text.format("fs", programs[2]))
    (own / "30-hidden.json").write_text("")
    (packaged / "40-fs.json").write_text(text.format("fs", programs[1]))
    (packaged / "50-fs.json").write_text(text.format("fs", programs[0]))
    assert find_server((own, packaged)) == str(programs[1])
    assert find_server((own,)) is None
