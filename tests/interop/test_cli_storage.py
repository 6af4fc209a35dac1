# SPDX-License-Identifier: Apache-2.0
"""Pools, volumes, snapshots, checkpoints and backups on the command line, beside virsh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.reference import Libvirtd
from tests.interop.side_by_side import (
    VIRLOOM,
    assert_same,
    lines_of,
    needs_virsh,
    place_with,
    run,
)

pytestmark = needs_virsh

_FILES = {
    "pool.xml": "<pool type='dir'><name>p</name><target><path>/tmp/p</path></target></pool>",
    "odd.xml": "<pool type='dir'><name>p</name><target><path>/p</path><zork/></target></pool>",
    "bad.xml": "<bad\n",
    "vol.xml": "<volume><name>v2</name><capacity unit='M'>1</capacity></volume>",
    "vol3.xml": "<volume><name>v3</name><capacity unit='M'>1</capacity></volume>",
    "snapshot.xml": "<domainsnapshot><name>s</name><description>d</description></domainsnapshot>",
    "checkpoint.xml": "<domaincheckpoint><name>k</name></domaincheckpoint>",
    "backup.xml": "<domainbackup/>",
    "up": "hello world",
    "rename": '#!/bin/sh\nsed -i "s#<name>a</name>#<name>c</name>#" "$1"\n',
    "reword": '#!/bin/sh\nsed -i "s#first</#second</#" "$1"\n',
    "remove": '#!/bin/sh\nsed -i "s#/tmp/#/tnp/#" "$1"\n',
}

#: On the test driver, whose state begins anew with each line.
_LINES = lines_of("pool", "volume", "snapshot", "checkpoint")

#: On the storage driver of the host; DIR is a directory of their own.
_STORAGE = lines_of("storage_driver")

_MADE = "snapshot-create-as test a first; snapshot-create-as test b; "
_EDITS = (
    ("true", "pool-edit default-pool; pool-edit nix"),
    ("remove", "pool-define pool.xml; pool-edit p; pool-dumpxml p --xpath //path"),
    ("true", _MADE + "snapshot-edit test a; snapshot-edit test; snapshot-edit test --current"),
    ("true", _MADE + "snapshot-edit test a --current; snapshot-current test --name"),
    ("true", "snapshot-edit test nix; snapshot-edit test a --rename --clone"),
    ("reword", _MADE + "snapshot-edit test a; snapshot-dumpxml test a --xpath //description"),
    ("rename", _MADE + "snapshot-edit test a; snapshot-list test --name"),
    ("rename", _MADE + "snapshot-edit test a --clone; snapshot-list test --name"),
    ("rename", _MADE + "snapshot-edit test a --rename; snapshot-list test --name"),
    ("true", "checkpoint-create-as test a first; checkpoint-edit test a; checkpoint-edit test x"),
    ("reword", "checkpoint-create-as test a first; checkpoint-edit test a"),
    ("rename", "checkpoint-create-as test a; checkpoint-edit test a; checkpoint-list test --name"),
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with place_with(_FILES) as path:
        yield path


@pytest.fixture(scope="module")
def libvirtd(directory: Path) -> Iterator[Libvirtd]:
    with Libvirtd(directory).running() as libvirtd:
        yield libvirtd


@pytest.fixture(scope="module")
def tested(libvirtd: Libvirtd) -> str:
    return f"test+unix:///default?socket={libvirtd.socket}"


@pytest.mark.parametrize("line", _LINES)
def test_line_on_the_test_driver(line: str, tested: str, directory: Path) -> None:
    assert_same(tested, line, directory)


@pytest.mark.parametrize(("editor", "line"), _EDITS)
def test_editing(editor: str, line: str, tested: str, directory: Path) -> None:
    program = str(directory / editor) if editor in _FILES else editor
    assert_same(tested, line, directory, EDITOR=program, VISUAL=program)


@pytest.fixture(scope="module")
def storage(libvirtd: Libvirtd, directory: Path) -> Iterator[str]:
    """A libvirtd with two running pools."""
    for name in ("one", "two"):
        target = directory / name
        target.mkdir()
        made = run("virsh", libvirtd.uri, f"pool-create-as {name} dir --target {target}", directory)
        assert made.code == 0, made.errors
    yield libvirtd.uri
    run("virsh", libvirtd.uri, "pool-destroy one; pool-destroy two", directory)


@pytest.mark.parametrize("line", _STORAGE)
def test_line_on_the_storage_driver(line: str, storage: str, directory: Path) -> None:
    assert_same(storage, line.replace("DIR", str(directory)), directory)


def test_content_goes_there_and_back(storage: str, directory: Path) -> None:
    """With its holes, by our command alone."""
    source = directory / "source"
    with source.open("wb") as file:
        file.seek(1_000_000)
        file.write(b"middle")
        file.truncate(3_000_000)
    line = (
        "vol-create-as one sparse 3M --allocation 0; vol-upload sparse source one --sparse; "
        "vol-download sparse back one --sparse; vol-download sparse plain one; "
        "vol-download sparse part one --offset 1000001 --length 4; vol-delete sparse one"
    )
    told = run(VIRLOOM, storage, line, directory)
    assert (told.code, told.errors) == (0, "")
    content = source.read_bytes()
    back = directory / "back"
    assert back.read_bytes() == content
    assert back.stat().st_blocks * 512 < 100_000
    assert (directory / "plain").read_bytes() == content
    assert (directory / "part").read_bytes() == b"iddl"


def test_download_that_fails_leaves_no_file(storage: str, directory: Path) -> None:
    line = "vol-create-as one d 1M --format dir; vol-download d nothing one; vol-delete d one"
    told = run(VIRLOOM, storage, line, directory)
    assert "Is a directory" in told.errors
    assert not (directory / "nothing").exists()
